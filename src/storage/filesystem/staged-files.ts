import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { chmod, copyFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Algorithm } from '../../oci/digest.ts';
import type { Digest, Incarnation } from '../../oci/names.ts';
import { PRIVATE_FILE } from '../../system/private-files.ts';
import type { KeepState, StagedPlace, StagedWrite, StagedWrites } from '../driver.ts';
import { dataKey, stagedKey } from '../paths.ts';
import { stagedGone } from '../staged-gone.ts';
import { openFile, rename, sizeOf } from './files.ts';
import { Hasher } from './hasher.ts';
import type { FilesPorts, Syncs } from './ports.ts';
import { FileStagedWrite } from './staged.ts';
import { isFull, isMissing, storageFull } from './system-errors.ts';

interface StagedFilesPorts extends Pick<FilesPorts, 'root' | 'pathOf' | 'admit' | 'reach'> {
  readonly diskSync: Syncs;
}

/** The part of the driver that stores uploads: one file for each place, which becomes the object by a rename. */
export class StagedFiles implements StagedWrites {
  readonly #ports: StagedFilesPorts;
  readonly #hasher = new Hasher();

  constructor(ports: StagedFilesPorts) {
    this.#ports = ports;
  }

  async stage(
    place: StagedPlace,
    from: number,
    algorithm: Algorithm,
    _keep?: KeepState,
    digest?: Digest,
  ): Promise<StagedWrite> {
    const { diskSync, admit, root, reach } = this.#ports;
    const path = this.#path(place);
    const folder = dirname(path);
    admit();
    // Bytes from earlier requests were acknowledged, and so was their folder.
    if (from === 0) await diskSync.ensureFolder(folder, root);
    else if ((sizeOf(path) ?? 0) < from) throw stagedGone();
    const descriptor = orGone(() => openFile(path, from === 0 ? 'w+' : 'r+'));
    if (from > 0) ftruncateSync(descriptor, from);
    const hash = this.#hasher.open(place.inc, algorithm, descriptor, from, digest);
    reach('stage.opened');
    const write = new FileStagedWrite({ descriptor, hash }, from, {
      diskSync,
      admit,
      syncEntry: () => diskSync.folder(folder),
    });
    return this.#withCrashPoints(write);
  }

  #withCrashPoints(write: StagedWrite): StagedWrite {
    const { reach } = this.#ports;
    return {
      write: (chunk) => write.write(chunk),
      release: () => write.release(),
      drop: () => write.drop(),
      settle: async () => {
        reach('stage.before-settle');
        const progress = await write.settle().catch(throwGone);
        reach('stage.after-settle');
        return progress;
      },
    };
  }

  /** Copies the file: the earlier holder has it open and may write to it as long as it lives. */
  async takeOver(place: StagedPlace, size: number, inc: Incarnation): Promise<StagedPlace> {
    const next: StagedPlace = { upload: place.upload, inc };
    if (size === 0) return next;
    const { diskSync, admit } = this.#ports;
    const [from, to] = [this.#path(place), this.#path(next)];
    admit();
    if ((sizeOf(from) ?? 0) < size) throw stagedGone();
    try {
      await copyFile(from, to);
      await chmod(to, PRIVATE_FILE);
      if ((sizeOf(to) ?? 0) < size) throw stagedGone();
      await this.#cutAndSync(to, size);
      await diskSync.folder(dirname(to));
    } catch (error) {
      await rm(to, { force: true });
      if (isFull(error)) throw storageFull(error);
      throwGone(error);
    }
    return next;
  }

  /** Works for the object that the bytes became, too: a closing request is repeated after a kill. */
  async digestStaged(place: StagedPlace, size: number, algorithm: Algorithm): Promise<Digest | undefined> {
    const path = [this.#path(place), this.#objectPath(place)].find((each) => sizeOf(each) !== undefined);
    if (path === undefined || (sizeOf(path) ?? -1) < size) return undefined;
    const descriptor = openSync(path, 'r');
    // A separate id, so that the state of the session's own hash is not disturbed.
    const hash = this.#hasher.open(`${place.inc}/${algorithm}`, algorithm, descriptor, 0);
    try {
      return await hash.digest(size);
    } finally {
      await hash.close();
      closeSync(descriptor);
    }
  }

  async commit(place: StagedPlace, size: number): Promise<boolean> {
    const { diskSync, root, reach } = this.#ports;
    const [staged, path] = [this.#path(place), this.#objectPath(place)];
    await diskSync.ensureFolder(dirname(path), root);
    const there = sizeOf(staged);
    // Repeats a commit that a kill interrupted between the rename and its acknowledgement.
    if (there === undefined && sizeOf(path) !== size) return false;
    if (there !== undefined && there < size) return false;
    if (there !== undefined) {
      // settle() has synced the staged bytes. Only excess bytes are cut off here, and the new length synced.
      if (there !== size) await this.#cutAndSync(staged, size);
      reach('commit.before-rename');
      rename(staged, path);
    }
    reach('commit.before-folder-sync');
    await diskSync.folder(dirname(path));
    reach('commit.after-folder-sync');
    return true;
  }

  async discard(place: StagedPlace): Promise<void> {
    await rm(this.#path(place), { force: true });
  }

  close(): void {
    this.#hasher.close();
  }

  async #cutAndSync(path: string, size: number): Promise<void> {
    const descriptor = openSync(path, 'r+');
    try {
      ftruncateSync(descriptor, size);
      await this.#ports.diskSync.file(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }

  #path({ upload, inc }: StagedPlace): string {
    return this.#ports.pathOf(stagedKey(upload, inc));
  }

  #objectPath({ inc }: StagedPlace): string {
    return this.#ports.pathOf(dataKey(inc));
  }
}

/** Another node has ended the upload and removed its folder. */
function throwGone(error: unknown): never {
  throw isMissing(error) ? stagedGone() : error;
}

function orGone<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throwGone(error);
  }
}
