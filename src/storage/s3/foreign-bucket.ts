import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { algorithmOf } from '../../oci/digest.ts';
import { digestOfObject } from '../digest-object.ts';
import type { Key, ListedObject, StoredObject } from '../driver.ts';
import type { ForeignStore, Given, Verification } from '../foreign.ts';
import { openClients, type S3Clients } from './clients.ts';
import { S3Driver, withSlash } from './driver.ts';
import { LARGE, type Patience, Requests } from './requests.ts';
import type { S3Ports, S3Settings } from './settings.ts';

/** S3 copies at most 5 GiB in one request. Parts are copied concurrently, each within the time of one attempt. */
const PART_BYTES = 512 * 1024 ** 2;
const MAX_PARTS = 10_000;
const COPY_CONCURRENCY = 4;

/** The store makes the copy, at a speed that is not known here. */
const COPY: Patience = { attempt: 300_000, total: 900_000 };

/** The bucket of our store, at the same endpoint and with the same credentials. */
export interface CopyTarget {
  readonly bucket: string;
  readonly prefix: string | undefined;
}

/** A bucket with objects of another registry. */
export class ForeignBucket implements ForeignStore {
  readonly kind = 's3';
  readonly place: string;
  readonly gives: boolean;
  readonly #source: S3Driver;
  readonly #settings: S3Settings;
  readonly #target: CopyTarget | undefined;
  readonly #clients: S3Clients;
  readonly #requests: Requests;
  readonly #partBytes: number;

  /**
   * @param target undefined if our store is no bucket
   * @param partBytes longer objects are copied in parts
   */
  constructor(settings: S3Settings, target: CopyTarget | undefined, ports: S3Ports, partBytes = PART_BYTES) {
    this.#clients = openClients(settings);
    this.#source = new S3Driver(settings, ports, this.#clients);
    this.#settings = settings;
    this.#target = target;
    this.#requests = new Requests(ports);
    this.#partBytes = partBytes;
    this.gives = target !== undefined;
    this.place = `s3://${settings.bucket}/${withSlash(settings.prefix)}`;
  }

  read(key: Key): Promise<Uint8Array | undefined> {
    return this.#source.read(key);
  }

  open(key: Key): Promise<StoredObject | undefined> {
    return this.#source.open(key);
  }

  head(key: Key): Promise<{ readonly size: number } | undefined> {
    return this.#source.head(key);
  }

  list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    return this.#source.list(prefix, after);
  }

  async give(key: Key, to: Key, size: number, verification: Verification | undefined): Promise<Given | undefined> {
    if (this.#target === undefined) throw new Error('there is no bucket to copy to');
    if (verification !== undefined && !(await this.#isAs(key, verification))) return undefined;
    const at = { Bucket: this.#target.bucket, Key: withSlash(this.#target.prefix) + to };
    const from = `${this.#settings.bucket}/${withSlash(this.#settings.prefix)}${key}`
      .split('/')
      .map(encodeURIComponent)
      .join('/');
    if (size > this.#partBytes) await this.#copyInParts(at, from, size);
    else {
      await this.#requests.send('CopyObject', COPY, ({ signal }) =>
        this.#clients.parts.send(new CopyObjectCommand({ ...at, CopySource: from }), { abortSignal: signal }),
      );
    }
    return 'copied';
  }

  async #isAs(key: Key, { digest, onBytes, signal }: Verification): Promise<boolean> {
    const found = await digestOfObject(this.#source, key, algorithmOf(digest), (count) => {
      signal.throwIfAborted();
      onBytes(count);
    });
    return found === digest;
  }

  async #copyInParts(at: { Bucket: string; Key: string }, from: string, size: number): Promise<void> {
    const { parts } = this.#clients;
    const { UploadId } = await this.#requests.send('CreateMultipartUpload', LARGE, ({ signal }) =>
      parts.send(new CreateMultipartUploadCommand(at), { abortSignal: signal }),
    );
    if (UploadId === undefined) throw new Error('the object store started a multipart upload without an id');
    const length = Math.max(this.#partBytes, Math.ceil(size / MAX_PARTS));
    const count = Math.ceil(size / length);
    const etags: string[] = [];
    let next = 0;
    const copySome = async (): Promise<void> => {
      for (let index = next++; index < count; index = next++) {
        const range = `bytes=${index * length}-${Math.min(size, (index + 1) * length) - 1}`;
        const command = { ...at, UploadId, PartNumber: index + 1, CopySource: from, CopySourceRange: range };
        const { CopyPartResult } = await this.#requests.send('UploadPartCopy', COPY, ({ signal }) =>
          parts.send(new UploadPartCopyCommand(command), { abortSignal: signal }),
        );
        if (CopyPartResult?.ETag === undefined) throw new Error('the object store copied a part without an ETag');
        etags[index] = CopyPartResult.ETag;
      }
    };
    try {
      // After a failure the other copiers find no next part, and end.
      const outcomes = await Promise.allSettled(
        Array.from({ length: COPY_CONCURRENCY }, () =>
          copySome().finally(() => {
            next = count;
          }),
        ),
      );
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
      const Parts = etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }));
      await this.#requests.send('CompleteMultipartUpload', LARGE, ({ signal }) =>
        parts.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } }), {
          abortSignal: signal,
        }),
      );
    } catch (error) {
      await this.#requests.send('AbortMultipartUpload', LARGE, ({ signal }) =>
        parts.send(new AbortMultipartUploadCommand({ ...at, UploadId }), { abortSignal: signal }),
      );
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#source.close();
  }
}
