import { rmSync } from 'node:fs';
import { LRUCache } from 'lru-cache';
import type { Incarnation } from '../../oci/names.ts';
import type { StoredObject, StoreReader } from '../driver.ts';
import { Hasher } from '../filesystem/hasher.ts';
import { isFull } from '../filesystem/system-errors.ts';
import { dataKey } from '../paths.ts';
import { fetchVerified, type Wanted } from './fetch-verified.ts';
import type { CacheFolder } from './folder.ts';
import { type KeptFile, KeptFiles } from './kept-files.ts';

/** A blob as a log links it. */
export interface CachedBlob extends Wanted {
  readonly inc: Incarnation;
}

/** `kept`: it has a file now. `refused`: there is no room for it. `failed`: the store or the disk gave an error, or wrong bytes. */
export type FillOutcome = 'kept' | 'refused' | 'failed';

export interface BlobCacheObserver {
  readonly asked: (outcome: 'hit' | 'miss') => void;
  readonly filled: (outcome: FillOutcome) => void;
  readonly evicted: () => void;
  readonly failed: (blob: CachedBlob, error: unknown) => void;
}

export interface BlobCachePorts {
  readonly driver: Pick<StoreReader, 'open'>;
  readonly folder: CacheFolder;
  /** Bytes of all files together. */
  readonly limit: number;
  /** Milliseconds that never go back. */
  readonly now: () => number;
  readonly newId: () => string;
  readonly observer: BlobCacheObserver;
}

type OpenWhole = () => ReadableStream<Uint8Array>;

interface Filling {
  readonly blob: CachedBlob;
  readonly openWhole: OpenWhole;
}

/** A blob that is asked for once is not worth a write: most are pulled by one machine, once. */
const AGAIN_WITHIN_MS = 24 * 3_600_000;
const REMEMBERED = 10_000;
/** They take their time from those who wait for answers. */
const FILL_AT_ONCE = 2;
const MOST_WAITING = 100;
/** A blob that takes more of the whole would drive out too many others. */
const LARGEST_SHARE = 0.5;

class NoRoom extends Error {}

/**
 * Copies of large blobs on this node's own disk, because a file costs a node far less to send than bytes out of a bucket. They are
 * never stale: an incarnation's bytes never change, and whether a repository has the blob is asked of its log before. Anybody may
 * remove files, or the whole folder, at any time.
 */
export class BlobCache {
  readonly #ports: BlobCachePorts;
  readonly #kept: KeptFiles;
  readonly #hasher = new Hasher();
  readonly #asked = new LRUCache<Incarnation, number>({ max: REMEMBERED });
  readonly #filling = new Map<Incarnation, Promise<void>>();
  readonly #waiting = new Map<Incarnation, Filling>();
  readonly #closing = new AbortController();
  /** Of blobs that are being fetched. */
  #promised = 0;

  constructor(ports: BlobCachePorts) {
    this.#ports = ports;
    this.#kept = new KeptFiles(ports.now);
    for (const file of ports.folder.scan()) this.#kept.adopt(file);
    this.trim();
  }

  /** Bytes of all files. */
  get bytes(): number {
    return this.#kept.bytes;
  }

  /** As the driver's `open` of the blob's object. A copy is sent without asking the store: the log that links it is the truth. */
  async open(blob: CachedBlob, signal?: AbortSignal): Promise<StoredObject | undefined> {
    const path = this.#find(blob);
    this.#ports.observer.asked(path === undefined ? 'miss' : 'hit');
    if (path !== undefined) return { size: blob.size, body: { kind: 'file', path } };
    const object = await this.#ports.driver.open(dataKey(blob.inc), signal);
    if (object === undefined || object.size !== blob.size || object.body.kind === 'file') return object;
    const { body, size } = object;
    return {
      size,
      body: {
        kind: 'stream',
        open: (range, chunks) => {
          // Whoever takes a blob in pieces begins with the first one: each pull counts once.
          if (range.start === 0) this.#note(blob, () => body.open({ start: 0, end: size }));
          return body.open(range, chunks);
        },
      },
    };
  }

  /** Gives room back to the disk where others need it; to be called now and then. */
  trim(): void {
    this.#makeRoom(0);
  }

  /** What is being fetched is dropped; what is kept stays for the next process. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#waiting.clear();
    await Promise.all(this.#filling.values());
    this.#hasher.close();
    this.#ports.folder.close();
  }

  #find(file: KeptFile): string | undefined {
    if (!this.#kept.has(file.inc)) return undefined;
    const found = this.#ports.folder.find(file);
    if (found.kind === 'found') {
      this.#kept.use(file.inc);
      return found.path;
    }
    // One that takes room is counted until it is removed, even where it cannot be opened: with no descriptor left, say.
    if (found.kind === 'gone') this.#kept.remove(file.inc);
    return undefined;
  }

  #note(blob: CachedBlob, openWhole: OpenWhole): void {
    const { inc, size } = blob;
    if (size > this.#ports.limit * LARGEST_SHARE || this.#closing.signal.aborted) return;
    if (this.#filling.has(inc) || this.#waiting.has(inc) || this.#kept.has(inc)) return;
    const now = this.#ports.now();
    const before = this.#asked.get(inc);
    this.#asked.set(inc, now);
    if (before === undefined || now - before > AGAIN_WITHIN_MS || this.#waiting.size >= MOST_WAITING) return;
    this.#asked.delete(inc);
    this.#waiting.set(inc, { blob, openWhole });
    this.#fillNext();
  }

  #fillNext(): void {
    for (const [inc, filling] of this.#waiting) {
      if (this.#filling.size >= FILL_AT_ONCE) return;
      this.#waiting.delete(inc);
      const done = this.#fill(filling).then((outcome) => {
        this.#filling.delete(inc);
        this.#ports.observer.filled(outcome);
        this.#fillNext();
      });
      this.#filling.set(inc, done);
    }
  }

  async #fill({ blob, openWhole }: Filling): Promise<FillOutcome> {
    const { folder, newId, observer } = this.#ports;
    const { size } = blob;
    let temporary: string | undefined;
    try {
      if (!this.#makeRoom(size)) return 'refused';
      this.#promised += size;
      try {
        temporary = folder.temporary(newId());
        await fetchVerified(temporary, blob, openWhole(), {
          hasher: this.#hasher,
          signal: this.#closing.signal,
          checkRoom: () => {
            if (folder.shortage() > 0) throw new NoRoom();
          },
        });
        folder.keep(temporary, blob);
        this.#kept.add(blob);
        return 'kept';
      } finally {
        this.#promised -= size;
        if (temporary !== undefined) rmSync(temporary, { force: true });
      }
    } catch (error) {
      if (error instanceof NoRoom || isFull(error)) return 'refused';
      // A node that ends lets go of what it had begun.
      if (!this.#closing.signal.aborted) observer.failed(blob, error);
      return 'failed';
    }
  }

  /** Removes what was used longest ago until so many bytes fit, into the limit and beside a free tenth of the disk. */
  #makeRoom(bytes: number): boolean {
    const { folder, limit, observer } = this.#ports;
    const over = this.#kept.bytes + this.#promised + bytes - limit;
    const { files, enough } = this.#kept.victims(Math.max(over, folder.shortage() + bytes));
    for (const file of files) {
      this.#kept.remove(file.inc);
      folder.remove(file);
      observer.evicted();
    }
    return enough;
  }
}
