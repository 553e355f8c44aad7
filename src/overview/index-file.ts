import type { Database } from 'bun:sqlite';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../system/error-code.ts';
import { PRIVATE_FILE, PRIVATE_FOLDER } from '../system/private-files.ts';
import { createIndex } from './schema.ts';

const PREFIX = 'marina-index-';

/** The file of an index, and its connection that writes. */
export class IndexFile {
  readonly path: string;
  readonly writer: Database;
  readonly #folder: string;

  /**
   * Makes a new file in a new folder below this one, and removes those that killed processes have left there.
   * @param leftoverStays called if one of them cannot be removed
   */
  constructor(below: string, uniqueName: string, leftoverStays: (error: unknown) => void) {
    removeLeftovers(below, leftoverStays);
    this.#folder = join(below, `${PREFIX}${uniqueName}-${process.pid}`);
    // Names and labels are not for other users of the machine. It fails if the name exists, also as a link that another user has made.
    mkdirSync(this.#folder, { mode: PRIVATE_FOLDER });
    this.path = join(this.#folder, 'index');
    // SQLite would create it with the mode that the umask leaves. Its other files get the mode of this one.
    writeFileSync(this.path, '', { mode: PRIVATE_FILE, flag: 'wx' });
    this.writer = createIndex(this.path);
  }

  close(): void {
    this.writer.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function removeLeftovers(below: string, stays: (error: unknown) => void): void {
  for (const name of readdirSync(below)) {
    const pid = /^marina-index-\w+-(\d+)$/.exec(name)?.[1];
    // A process of another container may be alive under a number that this one does not see. It goes on with its open file.
    if (pid === undefined || isAlive(Number(pid))) continue;
    try {
      rmSync(join(below, name), { recursive: true, force: true });
    } catch (error) {
      // In a folder that users share, it may belong to another user.
      if (codeOf(error) !== 'EPERM' && codeOf(error) !== 'EACCES') stays(error);
    }
  }
}

function isAlive(pid: number): boolean {
  // In a container every process has the same number, and this one has no other index.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}
