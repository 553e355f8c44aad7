import { dirname } from 'node:path';
import type { Call } from './strace.ts';

/** The time of a sync. From `end` on, everything written before `begin` is durable. */
interface Sync {
  readonly begin: number;
  readonly end: number;
}

/** The bytes of a file, under any name. */
interface Inode {
  /** When its last bytes were written. */
  written: number;
  readonly syncs: Sync[];
}

interface Entry {
  readonly inode: Inode;
  /** When the name was created. */
  readonly since: number;
}

/** A model of what a power cut would leave of the files below one folder, according to the calls so far. */
export class PageCache {
  readonly #files = new Map<string, Entry>();
  /** Folders that were created during the trace, with the time; others existed before. */
  readonly #made = new Map<string, number>();
  readonly #folderSyncs = new Map<string, Sync[]>();
  /** Of the whole file system. */
  readonly #syncs: Sync[] = [];

  apply(call: Call): void {
    const { op, path, to = '', begin, end } = call;
    switch (op) {
      case 'open': {
        const known = this.#files.get(path);
        if (known === undefined && call.creates === true) {
          this.#files.set(path, { inode: { written: end, syncs: [] }, since: end });
        } else if (known !== undefined && call.empties === true) known.inode.written = end;
        return;
      }
      case 'write': {
        const known = this.#files.get(path);
        if (known !== undefined) known.inode.written = Math.max(known.inode.written, end);
        return;
      }
      case 'sync': {
        const known = this.#files.get(path);
        if (known !== undefined) known.inode.syncs.push({ begin, end });
        else this.#folderSyncs.set(path, [...(this.#folderSyncs.get(path) ?? []), { begin, end }]);
        return;
      }
      case 'sync-all':
        this.#syncs.push({ begin, end });
        return;
      case 'link':
      case 'rename': {
        const known = this.#files.get(path);
        if (known === undefined) return;
        this.#files.set(to, { inode: known.inode, since: end });
        if (op === 'rename') this.#files.delete(path);
        return;
      }
      case 'remove':
        this.#files.delete(path);
        if (this.#made.delete(path)) this.#folderSyncs.delete(path);
        return;
      case 'make-folder':
        this.#made.set(path, end);
        return;
      case 'receive':
      case 'send':
        return;
    }
  }

  /** The current files below a folder, which ends with a slash. */
  below(folder: string): readonly string[] {
    return [...this.#files.keys()].filter((path) => path.startsWith(folder));
  }

  /** Whether a power cut at this moment would keep the bytes of the file. */
  bytesAreDurable(path: string, moment: number): boolean {
    const known = this.#files.get(path);
    if (known === undefined) return false;
    return [...known.inode.syncs, ...this.#syncs].some((sync) => sync.begin > known.inode.written && sync.end < moment);
  }

  /** The missing syncs without which a power cut at this moment could lose the file, its bytes or its name. */
  missing(path: string, moment: number): string[] {
    const faults: string[] = [];
    if (!this.bytesAreDurable(path, moment)) faults.push(`the bytes of ${path} are not synced`);
    const known = this.#files.get(path);
    if (known !== undefined && !this.#entryIsDurable(path, known.since, moment)) {
      faults.push(`the entry of ${path} is not synced in its folder`);
    }
    for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
      const since = this.#made.get(folder);
      if (since !== undefined && !this.#entryIsDurable(folder, since, moment)) {
        faults.push(`the entry of the folder ${folder} is not synced in its parent`);
      }
    }
    return faults;
  }

  #entryIsDurable(path: string, since: number, moment: number): boolean {
    const syncs = [...(this.#folderSyncs.get(dirname(path)) ?? []), ...this.#syncs];
    return syncs.some((sync) => sync.begin > since && sync.end < moment);
  }
}
