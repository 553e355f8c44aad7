import { LRUCache } from 'lru-cache';
import type { Caller } from '../access/access.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import type { BlobContent, Registry } from '../registry/interface.ts';
import { Semaphore } from '../system/semaphore.ts';

/** Of a longer blob only the beginning is read. */
export const MAX_BLOB_BYTES = 4 * 1024 * 1024;
/** Blobs read at the same time, because each takes up to 4 MiB, and several times that while it is parsed. */
const MAX_READS = 4;
const READ_WITHIN_MS = 10_000;
/** Estimated bytes of memory of a value without its texts. */
const OVERHEAD_BYTES = 500;

export interface ReadBlob {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of the whole blob. */
  readonly size: number;
  readonly isCut: boolean;
}

/** What is remembered of a blob. */
export interface Weighed {
  /** Estimated bytes of memory. */
  readonly weight: number;
}

/** What `parse` makes of a blob. Its name must say what it makes, because the result is remembered by it and the digest. */
export interface Parser<Facts extends Weighed> {
  readonly name: string;
  readonly parse: (blob: ReadBlob) => Facts | Promise<Facts>;
}

/**
 * Reads blobs through the registry, so that its rules apply, and remembers what was made of them. Content never changes, so only
 * whether the repository has it is asked each time.
 */
export class Contents<Facts extends Weighed> {
  readonly #registry: Pick<Registry, 'getBlob' | 'resolveBlob'>;
  readonly #facts: LRUCache<string, Facts>;
  readonly #permits = new Semaphore(MAX_READS);

  /** @param memory bytes for what is remembered */
  constructor(registry: Pick<Registry, 'getBlob' | 'resolveBlob'>, memory: number) {
    this.#registry = registry;
    this.#facts = new LRUCache({
      maxSize: Math.max(1, memory),
      maxEntrySize: Math.max(1, memory),
      sizeCalculation: ({ weight }) => OVERHEAD_BYTES + weight,
    });
  }

  /**
   * What the parser makes of a blob of the repository.
   * @returns undefined if the repository does not have it
   */
  async facts(repo: RepositoryName, digest: Digest, parser: Parser<Facts>, caller: Caller): Promise<Facts | undefined> {
    const key = `${parser.name} ${digest}`;
    const known = this.#facts.get(key);
    if (known !== undefined) {
      const has = await ifPresent(async () => await this.#registry.resolveBlob(repo, digest, caller));
      return has === undefined ? undefined : known;
    }
    return await this.#withPermit(caller, async (patient) => {
      const blob = await ifPresent(() => this.#read(repo, digest, patient));
      if (blob === undefined) return undefined;
      const facts = await parser.parse(blob);
      this.#facts.set(key, facts);
      return facts;
    });
  }

  async #withPermit<T>(caller: Caller, work: (caller: Caller) => Promise<T>): Promise<T> {
    const late = AbortSignal.timeout(READ_WITHIN_MS);
    const { actor, authority } = caller;
    const signal = AbortSignal.any([caller.signal, late]);
    try {
      const release = await this.#permits.acquire(signal);
      try {
        return await work({ actor, authority, signal });
      } finally {
        release();
      }
    } catch (error) {
      if (!late.aborted) throw error;
      throw new RegistryError('unavailable', 'reading what is shown takes too long now: try again', undefined, error);
    }
  }

  async #read(repo: RepositoryName, digest: Digest, caller: Caller): Promise<ReadBlob> {
    const { size, content } = await this.#registry.getBlob(repo, digest, caller, 'here');
    const bytes = await beginningOf(content, Math.min(size, MAX_BLOB_BYTES), caller.signal);
    return { bytes, size, isCut: size > bytes.length };
  }
}

async function beginningOf(
  content: BlobContent,
  length: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  switch (content.kind) {
    case 'bytes':
      return content.bytes.subarray(0, length);
    case 'file':
      return await Bun.file(content.path).slice(0, length).bytes();
    case 'stream':
      // No request for no bytes: stores refuse an empty range.
      return length === 0 ? new Uint8Array() : await drain(content.open({ start: 0, end: length }), length, signal);
    case 'elsewhere':
      throw new Error('a blob that must be delivered here was sent elsewhere');
  }
}

async function drain(
  stream: ReadableStream<Uint8Array>,
  length: number,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  const reader = stream.getReader();
  // This ends the pending read, which then throws the signal's reason. Nothing more is wanted of a stream that cannot be cancelled.
  const cancel = (): void => void reader.cancel(signal.reason).catch(() => undefined);
  signal.addEventListener('abort', cancel);
  let filled = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return bytes.subarray(0, filled);
      const chunk = value.subarray(0, length - filled);
      bytes.set(chunk, filled);
      filled += chunk.length;
    }
  } finally {
    signal.removeEventListener('abort', cancel);
    reader.releaseLock();
  }
}

/** @returns undefined if what it reads does not exist, for this caller at least */
export async function ifPresent<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    const isAbsent = error instanceof RegistryError && ABSENT.has(error.kind);
    if (isAbsent) return undefined;
    throw error;
  }
}

const ABSENT: ReadonlySet<string> = new Set(['name-unknown', 'manifest-unknown', 'blob-unknown', 'content-damaged']);
