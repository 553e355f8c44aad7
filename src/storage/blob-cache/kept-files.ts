import type { Incarnation } from '../../oci/names.ts';

export interface KeptFile {
  readonly inc: Incarnation;
  readonly size: number;
}

interface Entry {
  readonly size: number;
  used: number;
}

/** A response opens its file a moment after it was promised: what was used so recently stays. */
const IN_USE_MS = 30_000;
/** Each entry is about 200 bytes of memory, however small its file. */
const MOST_FILES = 100_000;

/** Which blobs a cache holds, the least recently used first. It touches no file. */
export class KeptFiles {
  readonly #now: () => number;
  readonly #mostFiles: number;
  readonly #entries = new Map<Incarnation, Entry>();
  #bytes = 0;

  /** @param now milliseconds that never go back */
  constructor(now: () => number, mostFiles: number = MOST_FILES) {
    this.#now = now;
    this.#mostFiles = mostFiles;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Of an earlier process; to be called in the order of their last use. */
  adopt({ inc, size }: KeptFile): void {
    this.#set(inc, { size, used: Number.NEGATIVE_INFINITY });
  }

  add({ inc, size }: KeptFile): void {
    this.#set(inc, { size, used: this.#now() });
  }

  has(inc: Incarnation): boolean {
    return this.#entries.has(inc);
  }

  /** It is used now, so it goes last. */
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

  /** What has to go so that `bytes` are gone and one more file fits: what was used longest ago. Less where the rest is in use. */
  victims(bytes: number): { readonly files: readonly KeptFile[]; readonly enough: boolean } {
    const files: KeptFile[] = [];
    let more = bytes;
    const enough = (): boolean => more <= 0 && this.#entries.size - files.length < this.#mostFiles;
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
