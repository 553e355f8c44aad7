import { GetObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { Algorithm } from '../../oci/digest.ts';
import type { Digest, Incarnation } from '../../oci/names.ts';
import type {
  CreateResult,
  DeleteFailure,
  Key,
  ListedObject,
  PresignOptions,
  StagedPlace,
  StagedWrite,
  StorageDriver,
  StoredObject,
  WrittenObject,
} from '../driver.ts';
import { settleAll } from '../not-durable.ts';
import { Bucket } from './bucket.ts';
import { Budget } from './budget.ts';
import { openClients, type S3Clients } from './clients.ts';
import { objectStream } from './object-stream.ts';
import { Requests } from './requests.ts';
import type { S3Ports, S3Settings } from './settings.ts';
import { isStateOf } from './staged-state.ts';
import { S3Staging } from './staging.ts';

export interface S3Options extends S3Settings {
  /** Entries of one page of a listing. For tests. */
  readonly pageSize?: number;
}

/** Objects in one bucket. A write that was answered with 200 is durable: there is nothing to sync. */
export class S3Driver implements StorageDriver {
  readonly kind = 's3';
  readonly #settings: S3Settings;
  readonly #prefix: string;
  readonly #ports: S3Ports;
  readonly #clients: S3Clients;
  readonly #bucket: Bucket;
  readonly #budget: Budget;
  readonly #staging: S3Staging;

  /** @param clients for the store; simulations pass their own */
  constructor(options: S3Options, ports: S3Ports, clients: S3Clients = openClients(options)) {
    const { bucket, partSize, uploadBuffer, pageSize } = options;
    this.#settings = options;
    this.#prefix = withSlash(options.prefix);
    this.#ports = ports;
    this.#clients = clients;
    this.#bucket = new Bucket(this.#clients, new Requests(ports, options.threads), {
      ...{ bucket, prefix: this.#prefix, newId: ports.newId },
      ...(pageSize === undefined ? {} : { pageSize }),
    });
    // With less, an upload could not fill a part while it sends another one.
    this.#budget = new Budget(Math.max(uploadBuffer, 2 * partSize), ports);
    this.#staging = new S3Staging({ bucket: this.#bucket, budget: this.#budget, partSize, ports });
  }

  /** Bytes of uploads in memory, and how many uploads wait for room. */
  get buffered(): { readonly bytes: number; readonly waiting: number } {
    return { bytes: this.#budget.held, waiting: this.#budget.waiting };
  }

  async create(key: Key, bytes: Uint8Array, named: readonly WrittenObject[] = []): Promise<CreateResult> {
    await settleAll(named);
    return await this.#bucket.create(key, bytes);
  }

  async write(key: Key, bytes: Uint8Array): Promise<WrittenObject> {
    const durable = this.#bucket.put(key, bytes);
    // Callers that await it see the failure; without one it must not be an unhandled rejection.
    durable.catch(() => undefined);
    return { settle: () => durable };
  }

  async put(key: Key, bytes: Uint8Array): Promise<void> {
    await this.#bucket.put(key, bytes);
  }

  async read(key: Key, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    return await this.#bucket.read(key, { signal });
  }

  async open(key: Key, signal?: AbortSignal): Promise<StoredObject | undefined> {
    const found = await this.#bucket.head(key, { signal });
    if (found === undefined) return undefined;
    return {
      size: found.size,
      body: {
        kind: 'stream',
        open: (range, chunks) =>
          objectStream(range, (rest, gone) => this.#bucket.stream(key, rest, gone), this.#ports, chunks === 'lent'),
      },
    };
  }

  async head(key: Key, signal?: AbortSignal): Promise<{ readonly size: number } | undefined> {
    return await this.#bucket.head(key, { signal });
  }

  async delete(keys: readonly Key[]): Promise<readonly DeleteFailure[]> {
    return await this.#bucket.delete(keys);
  }

  async deleteAll(prefix: Key): Promise<void> {
    const keys: Key[] = [];
    for await (const { key } of this.#bucket.list(prefix)) keys.push(key);
    const [failure] = await this.#bucket.delete(keys);
    if (failure !== undefined) throw failure.cause;
  }

  list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    return this.#bucket.list(prefix, after);
  }

  async confirm(): Promise<void> {}

  async presign(key: Key, { expires, headers }: PresignOptions): Promise<string> {
    const command = new GetObjectCommand({
      Bucket: this.#settings.bucket,
      Key: this.#prefix + key,
      ...(headers?.contentType === undefined ? {} : { ResponseContentType: headers.contentType }),
      ...(headers?.cacheControl === undefined ? {} : { ResponseCacheControl: headers.cacheControl }),
    });
    return await getSignedUrl(this.#clients.presigning, command, { expiresIn: Math.ceil(expires / 1000) });
  }

  stage(...args: Parameters<StorageDriver['stage']>): Promise<StagedWrite> {
    return this.#staging.stage(...args);
  }

  takeOver(place: StagedPlace, size: number, inc: Incarnation): Promise<StagedPlace> {
    return this.#staging.takeOver(place, size, inc);
  }

  digestStaged(place: StagedPlace, size: number, algorithm: Algorithm): Promise<Digest | undefined> {
    return this.#staging.digestStaged(place, size, algorithm);
  }

  commit(place: StagedPlace, size: number): Promise<boolean> {
    return this.#staging.commit(place, size);
  }

  isStagedState({ upload, state }: StagedPlace, size: number): boolean {
    return isStateOf(upload, state, size);
  }

  discard(place: StagedPlace): Promise<void> {
    return this.#staging.discard(place);
  }

  reapMultiparts(before: number, signal: AbortSignal): Promise<number> {
    return this.#staging.reap(before, signal);
  }

  async close(): Promise<void> {
    this.#budget.close();
    this.#clients.destroy();
  }
}

export function withSlash(prefix: string | undefined): string {
  const trimmed = (prefix ?? '').replace(/^\/+|\/+$/g, '');
  return trimmed === '' ? '' : `${trimmed}/`;
}
