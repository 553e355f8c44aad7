import { createHash } from 'node:crypto';
import { algorithmOf, digestFromHex, digestOf } from '../../oci/digest.ts';
import type { Archive, Copy } from '../archive.ts';
import { piecesOf } from '../digest-object.ts';
import type { Key, ListedObject, StoredObject } from '../driver.ts';
import { StoreRefused } from '../prepare.ts';
import { Bucket } from './bucket.ts';
import { openClients, type S3Clients } from './clients.ts';
import { S3Driver, withSlash } from './driver.ts';
import { LARGE, Requests } from './requests.ts';
import type { S3Ports, S3Settings } from './settings.ts';
import type { StagedPart } from './staged-state.ts';

/** S3's limit of parts in one upload. */
const MAX_PARTS = 10_000;

/** An archive in a bucket. What was answered is durable, and an object gets its name only when it is whole. */
export class BucketArchive implements Archive {
  readonly kind = 's3';
  readonly place: string;
  readonly isAlone = false;
  readonly #driver: S3Driver;
  readonly #bucket: Bucket;
  readonly #clients: S3Clients;
  readonly #partSize: number;

  constructor(settings: S3Settings, ports: S3Ports) {
    this.#clients = openClients(settings);
    this.#driver = new S3Driver(settings, ports, this.#clients);
    const prefix = withSlash(settings.prefix);
    const { bucket, partSize } = settings;
    this.#bucket = new Bucket(this.#clients, new Requests(ports), { bucket, prefix, newId: ports.newId });
    this.#partSize = partSize;
    this.place = `s3://${bucket}/${prefix}`;
  }

  async isEmpty(): Promise<boolean> {
    for await (const _ of this.#bucket.list('')) return false;
    return true;
  }

  read(key: Key): Promise<Uint8Array | undefined> {
    return this.#driver.read(key);
  }

  open(key: Key): Promise<StoredObject | undefined> {
    return this.#driver.open(key);
  }

  head(key: Key): Promise<{ readonly size: number } | undefined> {
    return this.#driver.head(key);
  }

  list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    return this.#driver.list(prefix, after);
  }

  async write(key: Key, bytes: Uint8Array): Promise<void> {
    await this.#bucket.put(key, bytes, LARGE);
  }

  writeLast(key: Key, bytes: Uint8Array): Promise<void> {
    return this.write(key, bytes);
  }

  async copy(key: Key, source: StoredObject, { digest, onBytes }: Copy): Promise<boolean> {
    const algorithm = algorithmOf(digest);
    const partSize = Math.max(this.#partSize, Math.ceil(source.size / MAX_PARTS));
    if (source.size > partSize) return await this.#copyInParts(key, source, { digest, onBytes }, partSize);
    const bytes = new Uint8Array(source.size);
    let at = 0;
    for await (const piece of piecesOf(source.body, source.size)) {
      if (at + piece.length > source.size) return false;
      bytes.set(piece, at);
      at += piece.length;
    }
    if (at !== source.size || digestOf(algorithm, bytes) !== digest) return false;
    await this.#bucket.put(key, bytes, LARGE);
    await onBytes(bytes.length);
    return true;
  }

  async #copyInParts(key: Key, source: StoredObject, { digest, onBytes }: Copy, partSize: number): Promise<boolean> {
    const algorithm = algorithmOf(digest);
    const hash = createHash(algorithm);
    const upload = await this.#bucket.beginMultipart(key);
    let isComplete = false;
    try {
      const parts: StagedPart[] = [];
      let total = 0;
      for await (const part of inParts(piecesOf(source.body, source.size), partSize)) {
        hash.update(part);
        parts.push(await this.#bucket.uploadPart(key, upload, parts.length + 1, part));
        total += part.length;
        await onBytes(part.length);
      }
      if (total !== source.size || digestFromHex(algorithm, hash.digest('hex')) !== digest) return false;
      await this.#bucket.completeMultipart(key, upload, parts);
      isComplete = true;
      return true;
    } finally {
      if (!isComplete) await this.#bucket.abortMultipart(key, upload);
    }
  }

  async remove(keys: readonly Key[]): Promise<void> {
    const [failure] = await this.#bucket.delete(keys);
    if (failure !== undefined)
      throw new StoreRefused(`${this.place}${failure.key} could not be removed`, { cause: failure.cause });
  }

  async settle(): Promise<void> {}

  close(): Promise<void> {
    return this.#driver.close();
  }
}

/** Gathers pieces into parts of equal size; the last one may be shorter. The memory of a part is not reused. */
async function* inParts(pieces: AsyncIterable<Uint8Array>, partSize: number): AsyncGenerator<Uint8Array> {
  let part = new Uint8Array(partSize);
  let filled = 0;
  for await (const piece of pieces) {
    for (let taken = 0; taken < piece.length; ) {
      const count = Math.min(piece.length - taken, partSize - filled);
      part.set(piece.subarray(taken, taken + count), filled);
      taken += count;
      filled += count;
      if (filled < partSize) continue;
      yield part;
      part = new Uint8Array(partSize);
      filled = 0;
    }
  }
  if (filled > 0) yield part.subarray(0, filled);
}
