import { createHash } from 'node:crypto';
import type { Caller } from '../access/access.ts';
import { algorithmOf, digestFromHex, digestOf, parseDigest } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import type { Blob, Manifest, Reference } from '../registry/interface.ts';
import type { ByteRange } from '../storage/driver.ts';
import { Semaphore } from '../system/semaphore.ts';
import type { HttpSource, SourceBytes } from './http-source.ts';
import { SourceAway, SourceRefused, SourceSilent } from './source-errors.ts';

/** Requests to the source at once; more wait. */
const REQUESTS = 32;
/** How long a client waits for the source to begin its answer, in milliseconds. */
const ANSWER_WITHIN_MS = 10_000;
/** How long the source is not asked after it did not answer, so that clients need not wait each time. */
const AWAY_MS = 5_000;
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

export interface SourceContentPorts {
  readonly source: Pick<HttpSource, 'url' | 'pullBlob' | 'pullManifest' | 'resolve'>;
  /** Whether this replica once had everything that the source had. */
  readonly isComplete: () => Promise<boolean>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Reads content from the source of a replica for clients that ask for it before it was copied. Every digest is verified. */
export class SourceContent {
  readonly #ports: SourceContentPorts;
  readonly #permits = new Semaphore(REQUESTS);
  #awayUntil = 0;

  constructor(ports: SourceContentPorts) {
    this.#ports = ports;
  }

  /** Its stream breaks off at the end if the bytes do not match the digest, so that no client takes it for complete. */
  async blob(repo: RepositoryName, digest: Digest, caller: Caller): Promise<Blob | undefined> {
    const { source } = this.#ports;
    const size = await this.blobSize(repo, digest, caller);
    if (size === undefined) return undefined;
    // Not before the stream is read: a request for a range beyond the end of the blob never reads it.
    const opened = async (): Promise<SourceBytes> => {
      const bytes = await this.#ask((signal) => source.pullBlob(repo, digest, signal), caller);
      if (bytes === undefined) throw invalid(digest);
      return bytes;
    };
    const open = (range: ByteRange): ReadableStream<Uint8Array> => streamOf(verified(opened, { digest, size, range }));
    return { size, content: { kind: 'stream', open } };
  }

  async blobSize(repo: RepositoryName, digest: Digest, caller: Caller): Promise<number | undefined> {
    const { source } = this.#ports;
    const headers = await this.#ask((signal) => source.resolve(`${repo}/blobs/${digest}`, {}, signal), caller);
    if (headers === undefined) return undefined;
    const length = headers.get('content-length');
    // A proxy may have taken it away.
    if (length === null) throw new RegistryError('unavailable', `the source did not say how long ${digest} is`);
    return Number(length);
  }

  async manifest(repo: RepositoryName, reference: Reference, caller: Caller): Promise<Manifest | undefined> {
    const { source } = this.#ports;
    const name = reference.kind === 'tag' ? reference.tag : reference.digest;
    const read = async (signal: AbortSignal): Promise<Manifest | undefined> => {
      const found = await source.pullManifest(repo, name, signal);
      if (found === undefined) return undefined;
      const bytes = await allOf(found);
      const expected =
        reference.kind === 'digest' ? reference.digest : parseDigest(found.headers.get('docker-content-digest') ?? '');
      if (expected === undefined)
        throw new RegistryError('unavailable', 'the source sent a manifest without its digest');
      if (digestOf(algorithmOf(expected), bytes) !== expected) throw invalid(expected);
      const mediaType = found.headers.get('content-type') ?? '';
      return { bytes, descriptor: { mediaType, digest: expected, size: bytes.length } };
    };
    return await this.#ask(read, caller);
  }

  /** @returns undefined also if the source does not answer, and this replica once had everything */
  async #ask<T>(request: (signal: AbortSignal) => Promise<T | undefined>, { signal }: Caller): Promise<T | undefined> {
    if (this.#ports.now() < this.#awayUntil) return await this.#instead(`${this.#ports.source.url} does not answer`);
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new SourceAway('the source did not answer in time')), ANSWER_WITHIN_MS);
    const waiting = AbortSignal.any([signal, late.signal]);
    try {
      const release = await this.#permits.acquire(waiting);
      try {
        return await request(waiting);
      } finally {
        release();
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof RegistryError) throw error;
      if (!late.signal.aborted && !(error instanceof SourceAway || error instanceof SourceRefused)) throw error;
      if (late.signal.aborted || error instanceof SourceSilent) this.#awayUntil = this.#ports.now() + AWAY_MS;
      return await this.#instead(`${this.#ports.source.url} does not answer`, error);
    } finally {
      // What is streamed later may take longer.
      clearTimeout(timer);
    }
  }

  /** For content that the source is not asked for. @throws RegistryError `unavailable` if this replica may not have everything yet */
  async unasked(): Promise<undefined> {
    return await this.#instead('names that may be of the past are not read from its source');
  }

  async #instead(reason: string, cause?: unknown): Promise<undefined> {
    if (await this.#ports.isComplete()) return undefined;
    const message = `this replica does not have everything yet, and ${reason}: try again`;
    throw new RegistryError('unavailable', message, undefined, cause);
  }
}

interface Expected {
  readonly digest: Digest;
  readonly size: number;
  readonly range: ByteRange;
}

/** The bytes of a range. All bytes up to its end are read; the digest is verified if that is the end of the blob. */
async function* verified(
  open: () => Promise<SourceBytes>,
  { digest, size, range: { start, end } }: Expected,
): AsyncGenerator<Uint8Array> {
  const algorithm = algorithmOf(digest);
  const hash = createHash(algorithm);
  let at = 0;
  for await (const chunk of (await open()).chunks) {
    hash.update(chunk);
    const next = at + chunk.length;
    // The last byte is held back until the digest was verified.
    const isLast = next >= size;
    if (isLast && (next > size || digestFromHex(algorithm, hash.copy().digest('hex')) !== digest))
      throw invalid(digest);
    if (next > start && at < end) yield chunk.subarray(Math.max(0, start - at), Math.min(chunk.length, end - at));
    at = next;
    if (at >= end && at < size) return;
  }
  if (at < Math.min(end, size)) throw invalid(digest);
}

async function allOf({ chunks }: SourceBytes): Promise<Uint8Array<ArrayBuffer>> {
  const all: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (length > MAX_MANIFEST_BYTES) throw new RegistryError('unavailable', 'a manifest of the source is too large');
    all.push(chunk);
  }
  return new Uint8Array(Buffer.concat(all));
}

function streamOf(chunks: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const { done, value } = await chunks.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
      cancel: async () => {
        await chunks.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

function invalid(digest: Digest): RegistryError {
  return new RegistryError('unavailable', `the source sent other bytes than those of ${digest}: try again`);
}
