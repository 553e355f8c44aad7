import type { Incarnation } from '../../oci/names.ts';

export interface KeptFile {
  readonly inc: Incarnation;
  readonly size: number;
}

interface Entry {
  readonly size: number;
  used: number;
}

/** A response opens its file a moment after the lookup: files used so recently are not evicted. */
const IN_USE_MS = 30_000;
/** Each entry takes about 200 bytes of memory, however small its file. */
const MAX_FILES = 100_000;

/** The index of a cache's files, least recently used first. It does not touch the files. */
export class KeptFiles {
  readonly #now: () => number;
  readonly #maxFiles: number;
  readonly #entries = new Map<Incarnation, Entry>();
  #bytes = 0;

  /** @param now monotonic clock, in milliseconds */
  constructor(now: () => number, maxFiles: number = MAX_FILES) {
    this.#now = now;
    this.#maxFiles = maxFiles;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a file of an earlier process. To be called in the order of last use. */
  adopt({ inc, size }: KeptFile): void {
    this.#set(inc, { size, used: Number.NEGATIVE_INFINITY });
  }

  add({ inc, size }: KeptFile): void {
    this.#set(inc, { size, used: this.#now() });
  }

  has(inc: Incarnation): boolean {
    return this.#entries.has(inc);
  }

  /** Marks the file as most recently used. */
  use(inc: Incarnation): void {
    const entry = this.#entries.get(inc);
    if (entry === undefined) return;
    entry.used = this.#now();
    this.#entries.delete(inc);
    this.#entries.set(inc, entry);
  }

  remove(inc: Incarnation): void {
    const entry = this.#entries.get(inc);
    if (entry === undefined) return;
    this.#entries.delete(inc);
    this.#bytes -= entry.size;
  }

  /** The least recently used files that free `bytes` and leave room for one more file; fewer if the others are in use. */
  victims(bytes: number): { readonly files: readonly KeptFile[]; readonly enough: boolean } {
    const files: KeptFile[] = [];
    let more = bytes;
    const enough = (): boolean => more <= 0 && this.#entries.size - files.length < this.#maxFiles;
    const before = this.#now() - IN_USE_MS;
    for (const [inc, { size, used }] of this.#entries) {
      if (enough() || used > before) break;
      files.push({ inc, size });
      more -= size;
    }
    return { files, enough: enough() };
  }

  #set(inc: Incarnation, entry: Entry): void {
    this.remove(inc);
    this.#entries.set(inc, entry);
    this.#bytes += entry.size;
  }
}
