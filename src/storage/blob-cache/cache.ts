import { rmSync } from 'node:fs';
import { LRUCache } from 'lru-cache';
import type { Incarnation } from '../../oci/names.ts';
import type { StoreReader } from '../driver.ts';
import { Hasher } from '../filesystem/hasher.ts';
import { isFull } from '../filesystem/system-errors.ts';
import { dataKey } from '../paths.ts';
import type { BlobCopies, CachedBlob } from './copies.ts';
import { fetchVerified, WrongBytes } from './fetch-verified.ts';
import type { CacheFolder } from './folder.ts';
import { type KeptFile, KeptFiles } from './kept-files.ts';

/** `kept`: the blob has a file now. `refused`: there is no space for it. `failed`: an error of the store or the disk, or wrong bytes. */
export type FillOutcome = 'kept' | 'refused' | 'failed';

export interface BlobCacheObserver {
  readonly requested: (outcome: 'hit' | 'miss') => void;
  readonly filled: (outcome: FillOutcome) => void;
  readonly evicted: () => void;
  readonly failed: (blob: CachedBlob, error: unknown) => void;
}

export interface BlobCachePorts {
  readonly driver: Pick<StoreReader, 'open'>;
  readonly folder: CacheFolder;
  /** Maximum of the bytes of all files. */
  readonly limit: number;
  /** Monotonic clock, in milliseconds. */
  readonly now: () => number;
  readonly newId: () => string;
  readonly observer: BlobCacheObserver;
}

/** Only a blob that is pulled again within this time is cached, because most are pulled once, by one machine. */
const REPEATED_WITHIN_MS = 24 * 3_600_000;
/** A blob that was pulled this often is fetched even while clients pull it. */
const WANTED_PULLS = 3;
const MAX_TRACKED_PULLS = 10_000;
/** Fills take CPU and bandwidth from requests. */
const FILL_CONCURRENCY = 2;
const MAX_QUEUED = 100;
/** A larger blob would evict too many others. */
const MAX_SHARE = 0.5;

class NoRoom extends Error {}

/** Pulls of a blob from the store. */
interface Pulls {
  /** How many began within `REPEATED_WITHIN_MS` of the one before. */
  count: number;
  inProgress: number;
  /** When the last one began. */
  last: number;
}

/**
 * A cache of large blobs on this node's own disk: a file costs far less to send than bytes from the bucket, and needs no request to it.
 * Entries are never stale: an incarnation's bytes never change, and the caller has checked that the repository has the blob. Files, or
 * the whole folder, may be removed at any time.
 */
export class BlobCache implements BlobCopies {
  readonly #ports: BlobCachePorts;
  readonly #kept: KeptFiles;
  readonly #hasher = new Hasher();
  readonly #pulls = new LRUCache<Incarnation, Pulls>({ max: MAX_TRACKED_PULLS });
  readonly #filling = new Map<Incarnation, Promise<void>>();
  readonly #queued = new Map<Incarnation, CachedBlob>();
  readonly #closing = new AbortController();
  /** Bytes of blobs that are being fetched. */
  #reserved = 0;

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

  async find(blob: CachedBlob): Promise<string | undefined> {
    const path = this.#find(blob);
    this.#ports.observer.requested(path === undefined ? 'miss' : 'hit');
    return path;
  }

  async pullBegan(blob: CachedBlob): Promise<void> {
    const now = this.#ports.now();
    const pulls = this.#pulls.get(blob.inc) ?? { count: 0, inProgress: 0, last: now };
    if (now - pulls.last > REPEATED_WITHIN_MS) pulls.count = 0;
    pulls.count++;
    pulls.inProgress++;
    pulls.last = now;
    this.#pulls.set(blob.inc, pulls);
    if (pulls.count >= WANTED_PULLS) this.#want(blob);
  }

  async pullEnded(blob: CachedBlob): Promise<void> {
    const pulls = this.#pulls.get(blob.inc);
    if (pulls === undefined) return;
    pulls.inProgress = Math.max(0, pulls.inProgress - 1);
    // The fetch takes bandwidth and processor time, so it does not begin beside the pull that makes it worth while.
    if (pulls.count > 1 && pulls.inProgress === 0) this.#want(blob);
  }

  /** Evicts files if others need the disk. To be called periodically. */
  trim(): void {
    this.#makeRoom(0);
  }

  /** Stops fills. Files stay for the next process. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#queued.clear();
    await Promise.all(this.#filling.values());
    this.#hasher.close();
    this.#ports.folder.close();
  }

  /** Has the blob fetched, unless that is under way or there is no place for it. */
  #want(blob: CachedBlob): void {
    const { inc, size } = blob;
    if (size > this.#ports.limit * MAX_SHARE || this.#closing.signal.aborted || this.#queued.size >= MAX_QUEUED) return;
    if (this.#filling.has(inc) || this.#queued.has(inc) || this.#kept.has(inc)) return;
    this.#pulls.delete(inc);
    this.#queued.set(inc, blob);
    this.#fillNext();
  }

  #find(file: KeptFile): string | undefined {
    if (!this.#kept.has(file.inc)) return undefined;
    const found = this.#ports.folder.find(file);
    if (found.kind === 'found') {
      this.#kept.use(file.inc);
      return found.path;
    }
    // A file that cannot be opened (with no descriptor left, for example) still takes space, so it stays counted.
    if (found.kind === 'gone') this.#kept.remove(file.inc);
    return undefined;
  }

  #fillNext(): void {
    for (const [inc, blob] of this.#queued) {
      if (this.#filling.size >= FILL_CONCURRENCY) return;
      this.#queued.delete(inc);
      const done = this.#fill(blob).then((outcome) => {
        this.#filling.delete(inc);
        this.#ports.observer.filled(outcome);
        this.#fillNext();
      });
      this.#filling.set(inc, done);
    }
  }

  async #fill(blob: CachedBlob): Promise<FillOutcome> {
    const { folder, newId, observer } = this.#ports;
    const { size } = blob;
    let temporary: string | undefined;
    try {
      if (!this.#makeRoom(size)) return 'refused';
      this.#reserved += size;
      try {
        temporary = folder.temporary(newId());
        await fetchVerified(temporary, blob, await this.#openWhole(blob), {
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
        this.#reserved -= size;
        if (temporary !== undefined) rmSync(temporary, { force: true });
      }
    } catch (error) {
      if (error instanceof NoRoom || isFull(error)) return 'refused';
      // A fill that was stopped by `close` is no failure.
      if (!this.#closing.signal.aborted) observer.failed(blob, error);
      return 'failed';
    }
  }

  /** @throws WrongBytes if the store does not have the blob as it was linked */
  async #openWhole({ inc, size }: CachedBlob): Promise<ReadableStream<Uint8Array>> {
    const object = await this.#ports.driver.open(dataKey(inc), this.#closing.signal);
    if (object?.size === size && object.body.kind === 'stream') return object.body.open({ start: 0, end: size });
    throw new WrongBytes(`the store has ${object?.size ?? 'no'} bytes of ${size}`);
  }

  /** Evicts the least recently used files until `bytes` more fit within the limit and leave a tenth of the disk free. */
  #makeRoom(bytes: number): boolean {
    const { folder, limit, observer } = this.#ports;
    const over = this.#kept.bytes + this.#reserved + bytes - limit;
    const { files, enough } = this.#kept.victims(Math.max(over, folder.shortage() + bytes));
    for (const file of files) {
      this.#kept.remove(file.inc);
      folder.remove(file);
      observer.evicted();
    }
    return enough;
  }
}
