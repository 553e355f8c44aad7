import type { Database } from 'bun:sqlite';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createIndex } from './schema.ts';

const PREFIX = 'marina-index-';

/** The file of an index, and its connection that writes. */
export class IndexFile {
  readonly path: string;
  readonly writer: Database;

  /**
   * Makes a new file in a folder, and removes those that killed processes have left there.
   */
  constructor(folder: string, uniqueName: string) {
    removeLeftovers(folder);
    this.path = join(folder, `${PREFIX}${uniqueName}-${process.pid}`);
    this.writer = createIndex(this.path);
  }

  close(): void {
    this.writer.close();
    remove(this.path);
  }
}

function removeLeftovers(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = /^marina-index-\w+-(\d+)$/.exec(name)?.[1];
    // A process of another container may be alive under a number that this one does not see. It goes on with its open file.
    if (pid !== undefined && !isAlive(Number(pid))) remove(join(folder, name));
  }
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function remove(path: string): void {
  for (const ending of ['', '-wal', '-shm']) rmSync(path + ending, { force: true });
}
