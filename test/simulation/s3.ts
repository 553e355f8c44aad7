import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { Key } from '../../src/storage/driver.ts';
import type { Objects } from './objects.ts';

type Metadata = Readonly<Record<string, string>>;

interface Part {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

interface Multipart {
  readonly key: Key;
  readonly parts: Map<number, Part>;
}

/** An error response of S3. */
export class S3Refusal extends Error {
  readonly $metadata: { readonly httpStatusCode: number };

  constructor(name: string, status: number) {
    super(name);
    this.name = name;
    this.$metadata = { httpStatusCode: status };
  }
}

/** A bucket, strongly consistent like S3: each request takes effect atomically. */
export class SimulatedBucket {
  readonly #objects: Objects;
  readonly #metadata = new Map<Key, Metadata>();
  readonly #multiparts = new Map<string, Multipart>();
  readonly #ignoresEtags: boolean;
  #ids = 0;

  /** @param ignoresEtags accepts parts with any ETag, without this second line of defence */
  constructor(objects: Objects, ignoresEtags: boolean) {
    this.#objects = objects;
    this.#ignoresEtags = ignoresEtags;
  }

  /** @throws S3Refusal */
  handle(command: unknown, body: Uint8Array): unknown {
    if (command instanceof PutObjectCommand) {
      const { Key = '', IfNoneMatch, Metadata = {} } = command.input;
      if (IfNoneMatch !== undefined && this.#objects.has(Key)) throw new S3Refusal('PreconditionFailed', 412);
      this.#put(Key, body, Metadata);
      return {};
    }
    if (command instanceof GetObjectCommand) {
      const { Key = '', Range } = command.input;
      const { bytes, metadata } = this.#object(Key, 'NoSuchKey');
      return { ...answerWith(Range === undefined ? bytes : within(bytes, Range)), Metadata: metadata };
    }
    if (command instanceof HeadObjectCommand) {
      const { bytes, metadata } = this.#object(command.input.Key ?? '', 'NotFound');
      return { ContentLength: bytes.length, Metadata: metadata };
    }
    if (command instanceof DeleteObjectCommand) {
      this.#objects.delete(command.input.Key ?? '');
      return {};
    }
    if (command instanceof DeleteObjectsCommand) {
      for (const { Key = '' } of command.input.Delete?.Objects ?? []) this.#objects.delete(Key);
      return {};
    }
    if (command instanceof ListObjectsV2Command) {
      const { Prefix = '', StartAfter = '' } = command.input;
      const found = this.#objects.below(Prefix).filter((key) => key > StartAfter);
      return { Contents: found.map((key) => ({ Key: key, Size: this.#objects.get(key)?.length ?? 0 })) };
    }
    return this.#handleMultipart(command, body);
  }

  #handleMultipart(command: unknown, body: Uint8Array): unknown {
    if (command instanceof CreateMultipartUploadCommand) {
      const id = `multipart-${++this.#ids}`;
      this.#multiparts.set(id, { key: command.input.Key ?? '', parts: new Map() });
      return { UploadId: id };
    }
    if (command instanceof UploadPartCommand) {
      const { UploadId, PartNumber = 0 } = command.input;
      const etag = Bun.hash(body).toString(16);
      this.#multipart(UploadId).parts.set(PartNumber, { bytes: body, etag });
      return { ETag: etag };
    }
    if (command instanceof CompleteMultipartUploadCommand) {
      const { UploadId = '', Key = '', MultipartUpload } = command.input;
      const { parts } = this.#multipart(UploadId);
      const chosen = (MultipartUpload?.Parts ?? []).map(({ PartNumber = 0, ETag }) => {
        const part = parts.get(PartNumber);
        const isMeant = this.#ignoresEtags || part?.etag === ETag;
        if (part === undefined || !isMeant) throw new S3Refusal('InvalidPart', 400);
        return part.bytes;
      });
      this.#put(Key, Buffer.concat(chosen), {});
      this.#multiparts.delete(UploadId);
      return {};
    }
    if (command instanceof AbortMultipartUploadCommand) {
      this.#multipart(command.input.UploadId);
      this.#multiparts.delete(command.input.UploadId ?? '');
      return {};
    }
    throw new Error(`the simulated bucket does not know ${String(command)}`);
  }

  #put(key: Key, bytes: Uint8Array, metadata: Metadata): void {
    this.#objects.set(key, bytes);
    this.#metadata.set(key, metadata);
  }

  #object(key: Key, missing: string): { readonly bytes: Uint8Array; readonly metadata: Metadata } {
    const bytes = this.#objects.get(key);
    if (bytes === undefined) throw new S3Refusal(missing, 404);
    return { bytes, metadata: this.#metadata.get(key) ?? {} };
  }

  #multipart(id: string | undefined): Multipart {
    const multipart = this.#multiparts.get(id ?? '');
    if (multipart === undefined) throw new S3Refusal('NoSuchUpload', 404);
    return multipart;
  }
}

function within(bytes: Uint8Array, range: string): Uint8Array {
  const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(range) ?? [];
  return bytes.slice(Number(start), Number(end) + 1);
}

/** A response with a body, in the SDK's form. */
function answerWith(bytes: Uint8Array): object {
  return {
    ContentLength: bytes.length,
    Body: {
      transformToByteArray: async () => bytes.slice(),
      async *[Symbol.asyncIterator]() {
        yield bytes.slice();
      },
      destroy: () => {},
    },
  };
}
