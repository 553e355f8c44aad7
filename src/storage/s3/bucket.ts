import { crc32 } from 'node:zlib';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { ByteRange, CreateResult, DeleteFailure, Key, ListedObject } from '../driver.ts';
import type { S3Clients } from './clients.ts';
import { isConflict, isMissing, isPreconditionFailed, isTransient } from './failures.ts';
import type { OpenBody } from './object-stream.ts';
import { openBody } from './open-body.ts';
import { type Attempt, LARGE, type Patience, type Requests, type SendOptions, SMALL } from './requests.ts';
import type { StagedPart } from './staged-state.ts';

/** S3's limit of keys in one DeleteObjects. */
const DELETE_BATCH = 1_000;
/** The metadata field in which each call of `create` marks the object as its own. */
const ATTEMPT = 'marina-attempt';

export interface BucketOptions {
  readonly bucket: string;
  /** Empty, or with a trailing slash. */
  readonly prefix: string;
  /** Entries of one page of a listing; undefined: the store's default. For tests. */
  readonly pageSize?: number;
  readonly newId: () => string;
}

/** How long the caller waits; see `SendOptions`. */
export type CallerPatience = Pick<SendOptions, 'signal' | 'deadline' | 'finishesAttempt'>;

/** A multipart upload in progress. */
export interface OpenMultipart {
  readonly key: Key;
  readonly upload: string;
  /** Milliseconds; undefined if the store does not say. */
  readonly begunAt: number | undefined;
}

/** Marina's requests to one bucket, with retries. Keys are the driver's, without the prefix. */
export class Bucket {
  readonly #clients: S3Clients;
  readonly #requests: Requests;
  readonly #options: BucketOptions;

  constructor(clients: S3Clients, requests: Requests, options: BucketOptions) {
    this.#clients = clients;
    this.#requests = requests;
    this.#options = options;
  }

  /**
   * `taken` is certain: the object's mark shows whether an earlier attempt of this call created it without an answer. Such attempts
   * are not all visible here: Bun's fetch itself retries a PUT when the kept-alive connection breaks.
   * @throws NoAnswer if it may or may not have happened
   */
  async create(key: Key, bytes: Uint8Array): Promise<CreateResult> {
    const mark = this.#options.newId();
    const attempt = async ({ signal, allow }: Attempt): Promise<CreateResult> => {
      allow(bytes.length);
      try {
        await this.#clients.small.send(
          new PutObjectCommand({
            ...this.#at(key),
            Body: bytes,
            ChecksumCRC32: checksum(bytes),
            IfNoneMatch: '*',
            Metadata: { [ATTEMPT]: mark },
          }),
          { abortSignal: signal },
        );
        return 'created';
      } catch (error) {
        if (!isPreconditionFailed(error)) throw error;
        return 'taken';
      }
    };
    const isRetryable = (error: unknown): boolean => isTransient(error) || isConflict(error);
    const deadline = this.#requests.deadlineOf(SMALL);
    const result = await this.#requests.send('PutObject', SMALL, attempt, { isRetryable, deadline });
    if (result === 'created') return result;
    return (await this.#markOf(key, deadline)) === mark ? 'created' : 'taken';
  }

  async #markOf(key: Key, deadline: number): Promise<string | undefined> {
    const head = ({ signal }: Attempt) =>
      this.#clients.small.send(new HeadObjectCommand(this.#at(key)), { abortSignal: signal });
    const found = await this.#requests.send('HeadObject', SMALL, head, { deadline });
    return found.Metadata?.[ATTEMPT];
  }

  async put(key: Key, bytes: Uint8Array, patience: Patience = SMALL): Promise<void> {
    const { small, parts } = this.#clients;
    const client = patience === SMALL ? small : parts;
    await this.#requests.send('PutObject', patience, ({ signal, allow }) => {
      allow(bytes.length);
      const command = new PutObjectCommand({ ...this.#at(key), Body: bytes, ChecksumCRC32: checksum(bytes) });
      return client.send(command, { abortSignal: signal });
    });
  }

  read(key: Key, caller: CallerPatience = {}): Promise<Uint8Array | undefined> {
    const attempt = async ({ signal, allow }: Attempt): Promise<Uint8Array | undefined> => {
      try {
        const answer = await this.#clients.small.send(new GetObjectCommand(this.#at(key)), { abortSignal: signal });
        allow(answer.ContentLength ?? 0);
        const bytes = (await answer.Body?.transformToByteArray()) ?? new Uint8Array();
        if (answer.ContentLength !== undefined && answer.ContentLength !== bytes.length) {
          throw new Error(`${bytes.length} of ${answer.ContentLength} bytes arrived`);
        }
        return bytes;
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    };
    return this.#requests.send('GetObject', SMALL, attempt, caller);
  }

  head(key: Key, caller: CallerPatience = {}): Promise<{ readonly size: number } | undefined> {
    const attempt = async ({ signal }: Attempt): Promise<{ readonly size: number } | undefined> => {
      try {
        const { ContentLength } = await this.#clients.small.send(new HeadObjectCommand(this.#at(key)), {
          abortSignal: signal,
        });
        if (ContentLength === undefined) throw new Error('the object store reported an object without a length');
        return { size: ContentLength };
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    };
    return this.#requests.send('HeadObject', SMALL, attempt, caller);
  }

  /**
   * Opens the bytes of a range, which must not be empty.
   * @param client aborts the opening; a body that is already open is not affected
   */
  async stream(key: Key, { start, end }: ByteRange, client?: AbortSignal): Promise<OpenBody> {
    const command = new GetObjectCommand({ ...this.#at(key), Range: `bytes=${start}-${end - 1}` });
    const attempt = async ({ signal }: Attempt): Promise<OpenBody> => {
      const { Body } = await this.#clients.streams.send(command, { abortSignal: signal });
      return openBody(Body);
    };
    return await this.#requests.send('GetObject', SMALL, attempt, { signal: client });
  }

  async delete(keys: readonly Key[]): Promise<readonly DeleteFailure[]> {
    const failures: DeleteFailure[] = [];
    for (let from = 0; from < keys.length; from += DELETE_BATCH) {
      const some = keys.slice(from, from + DELETE_BATCH);
      try {
        failures.push(...(await this.#deleteSome(some)));
      } catch (cause) {
        failures.push(...some.map((key) => ({ key, cause })));
      }
    }
    return failures;
  }

  async #deleteSome(keys: readonly Key[]): Promise<readonly DeleteFailure[]> {
    const [only] = keys;
    if (only !== undefined && keys.length === 1) {
      await this.#requests.send('DeleteObject', SMALL, ({ signal }) =>
        this.#clients.small.send(new DeleteObjectCommand(this.#at(only)), { abortSignal: signal }),
      );
      return [];
    }
    const { bucket, prefix } = this.#options;
    const names = [...new Set(keys)].map((key) => ({ Key: prefix + key }));
    const answer = await this.#requests.send('DeleteObjects', SMALL, ({ signal }) =>
      this.#clients.small.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: names, Quiet: true } }), {
        abortSignal: signal,
      }),
    );
    return (answer.Errors ?? [])
      .filter(({ Code }) => Code !== 'NoSuchKey')
      .map(({ Key = '', Code, Message }) => ({
        key: Key.slice(prefix.length),
        cause: new Error(`${Code ?? 'unknown'}: ${Message ?? 'no reason given'}`),
      }));
  }

  async *list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    const { bucket, prefix: root, pageSize } = this.#options;
    let token: string | undefined;
    do {
      const page = await this.#requests.send('ListObjectsV2', SMALL, ({ signal }) =>
        this.#clients.small.send(
          new ListObjectsV2Command({
            Bucket: bucket,
            Prefix: root + prefix,
            ...(after === undefined || after === '' ? {} : { StartAfter: root + after }),
            ...(token === undefined ? {} : { ContinuationToken: token }),
            ...(pageSize === undefined ? {} : { MaxKeys: pageSize }),
          }),
          { abortSignal: signal },
        ),
      );
      for (const { Key, Size } of page.Contents ?? []) {
        if (Key !== undefined) yield { key: Key.slice(root.length), size: Size ?? 0 };
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  /** @returns the id of a new multipart upload of that key */
  async beginMultipart(key: Key): Promise<string> {
    const { UploadId } = await this.#requests.send('CreateMultipartUpload', SMALL, ({ signal }) =>
      this.#clients.parts.send(new CreateMultipartUploadCommand({ ...this.#at(key), ChecksumAlgorithm: 'CRC32' }), {
        abortSignal: signal,
      }),
    );
    if (UploadId === undefined) throw new Error('the object store started a multipart upload without an id');
    return UploadId;
  }

  /** The deadline of a chain of requests that begins now. */
  deadlineOf(patience: Patience): number {
    return this.#requests.deadlineOf(patience);
  }

  async uploadPart(
    key: Key,
    upload: string,
    n: number,
    bytes: Uint8Array,
    caller: CallerPatience = {},
  ): Promise<StagedPart> {
    const crc = checksum(bytes);
    const attempt = ({ signal, allow }: Attempt) => {
      allow(bytes.length);
      return this.#clients.parts.send(
        new UploadPartCommand({
          ...this.#at(key),
          UploadId: upload,
          PartNumber: n,
          Body: inPieces(bytes),
          ContentLength: bytes.length,
          ChecksumCRC32: crc,
        }),
        { abortSignal: signal },
      );
    };
    const { ETag } = await this.#requests.send('UploadPart', LARGE, attempt, caller);
    if (ETag === undefined) throw new Error('the object store accepted a part without an ETag');
    return { n, size: bytes.length, etag: ETag, crc };
  }

  /** Lists each part with its ETag and checksum, so that the store refuses a part that differs. */
  async completeMultipart(
    key: Key,
    upload: string,
    parts: readonly StagedPart[],
    caller: CallerPatience = {},
  ): Promise<void> {
    const Parts = parts.map(({ n, etag, crc }) => ({ PartNumber: n, ETag: etag, ChecksumCRC32: crc }));
    const attempt = ({ signal }: Attempt) =>
      this.#clients.parts.send(
        new CompleteMultipartUploadCommand({ ...this.#at(key), UploadId: upload, MultipartUpload: { Parts } }),
        { abortSignal: signal },
      );
    await this.#requests.send('CompleteMultipartUpload', LARGE, attempt, caller);
  }

  async abortMultipart(key: Key, upload: string): Promise<void> {
    await this.#requests.send('AbortMultipartUpload', SMALL, ({ signal }) =>
      this.#clients.small.send(new AbortMultipartUploadCommand({ ...this.#at(key), UploadId: upload }), {
        abortSignal: signal,
      }),
    );
  }

  /** Multipart uploads in progress below a prefix. MinIO lists none by a prefix, and aborts them itself after a time. */
  async *multiparts(prefix: Key): AsyncIterable<OpenMultipart> {
    const { bucket, prefix: root, pageSize } = this.#options;
    let after: string | undefined;
    do {
      const from = after === undefined ? {} : { KeyMarker: after };
      const page = await this.#requests.send('ListMultipartUploads', SMALL, ({ signal }) =>
        this.#clients.small.send(
          new ListMultipartUploadsCommand({
            Bucket: bucket,
            Prefix: root + prefix,
            ...from,
            ...(pageSize === undefined ? {} : { MaxUploads: pageSize }),
          }),
          { abortSignal: signal },
        ),
      );
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        if (Key === undefined || UploadId === undefined) continue;
        yield { key: Key.slice(root.length), upload: UploadId, begunAt: Initiated?.getTime() };
      }
      // Not all stores accept their own upload-id markers. Without one, further uploads of the same key are left to a later run.
      after = page.IsTruncated === true ? page.NextKeyMarker : undefined;
    } while (after !== undefined && after !== '');
  }

  #at(key: Key): { Bucket: string; Key: string } {
    return { Bucket: this.#options.bucket, Key: this.#options.prefix + key };
  }
}

/** Bun's fetch copies a whole array before it sends the first byte; of a stream it copies only what the socket accepts. */
const PIECE_BYTES = 256 * 1024;

function inPieces(bytes: Uint8Array): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (at < bytes.length) controller.enqueue(bytes.subarray(at, at + PIECE_BYTES));
        at += PIECE_BYTES;
        if (at >= bytes.length) controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

/** CRC-32 in base64, as in S3's headers. */
function checksum(bytes: Uint8Array): string {
  const digits = Buffer.alloc(4);
  digits.writeUInt32BE(crc32(bytes));
  return digits.toString('base64');
}
