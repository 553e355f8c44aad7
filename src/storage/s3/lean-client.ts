import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';
import { SignatureV4 } from '@smithy/signature-v4';
import { type BucketAddress, bucketAddress } from './bucket-address.ts';

/** The part of an S3 client that `Bucket` uses. */
export type Sender = Pick<S3Client, 'send' | 'destroy'>;

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

type Method = 'GET' | 'HEAD' | 'PUT';

export interface SendOptions {
  readonly abortSignal?: AbortSignal;
}

/** A request that any HTTP client can send unchanged. */
export interface SignedRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port: number | undefined;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

interface Signing {
  readonly address: BucketAddress;
  readonly signer: SignatureV4;
}

/**
 * Sends the most frequent requests (PUT, GET and HEAD of one whole object) without the SDK's middleware, which takes four times the
 * CPU of everything else in them. All other requests are sent by the SDK.
 */
export class LeanClient implements Sender {
  readonly #sdk: S3Client;
  readonly #bucket: string;
  readonly #fetch: Fetch;
  #signing: Promise<Signing | undefined> | undefined;

  /** @param sdk provides the address of the bucket, the credentials (renewed before they expire) and the clock correction */
  constructor(sdk: S3Client, bucket: string, send: Fetch) {
    this.#sdk = sdk;
    this.#bucket = bucket;
    this.#fetch = send;
  }

  // Each answer has those fields of the SDK's output that the bucket reads.
  readonly send = (async (command: unknown, options: SendOptions = {}): Promise<unknown> => {
    try {
      const lean = await this.#lean(command, options);
      if (lean !== undefined) return lean;
    } catch (error) {
      // The SDK corrects this machine's clock by the responses to its own requests.
      if (!(error instanceof S3ServiceException && error.name === 'RequestTimeTooSkewed')) throw error;
    }
    return await this.#sdk.send(command as GetObjectCommand, options);
  }) as S3Client['send'];

  /** @returns undefined if only the SDK can sign for the bucket */
  async signedGet(key: string, headers: Record<string, string>): Promise<SignedRequest | undefined> {
    const signing = await this.#getSigning();
    return signing === undefined ? undefined : await this.#sign(signing, 'GET', key, headers);
  }

  destroy(): void {
    this.#sdk.destroy();
  }

  /** Determined with the first request, and again after a failure, because credentials may become available later. */
  #getSigning(): Promise<Signing | undefined> {
    this.#signing ??= this.#openSigning().catch((error: unknown) => {
      this.#signing = undefined;
      throw error;
    });
    return this.#signing;
  }

  async #openSigning(): Promise<Signing | undefined> {
    const { credentials, sha256 } = this.#sdk.config;
    const address = await bucketAddress(this.#sdk, this.#bucket);
    if (address === undefined) return undefined;
    // Unlike other AWS services, S3 signs paths without encoding them a second time.
    const signer = new SignatureV4({
      ...{ service: 's3', region: address.region, credentials, sha256, uriEscapePath: false },
    });
    return { address, signer };
  }

  async #lean(command: unknown, options: SendOptions): Promise<unknown> {
    const isLean =
      command instanceof PutObjectCommand
        ? command.input.Body instanceof Uint8Array
        : command instanceof HeadObjectCommand ||
          (command instanceof GetObjectCommand && command.input.Range === undefined);
    const signing = isLean ? await this.#getSigning() : undefined;
    if (signing === undefined) return undefined;
    if (command instanceof PutObjectCommand) return await this.#put(signing, command, options);
    if (command instanceof HeadObjectCommand) return await this.#head(signing, command, options);
    if (command instanceof GetObjectCommand) return await this.#get(signing, command, options);
    return undefined;
  }

  async #put(signing: Signing, command: PutObjectCommand, options: SendOptions): Promise<unknown> {
    const { Body, ChecksumCRC32: crc, IfNoneMatch, Metadata } = command.input;
    const headers: Record<string, string> = {};
    if (crc !== undefined) headers['x-amz-checksum-crc32'] = crc;
    if (IfNoneMatch !== undefined) headers['if-none-match'] = IfNoneMatch;
    for (const [name, value] of Object.entries(Metadata ?? {})) headers[`x-amz-meta-${name}`] = value;
    const answer = await this.#ask('PUT', signing, command, headers, options, Body as Uint8Array<ArrayBuffer>);
    await answer.arrayBuffer();
    return { ETag: answer.headers.get('etag') ?? undefined };
  }

  async #head(signing: Signing, command: HeadObjectCommand, options: SendOptions): Promise<unknown> {
    const { headers } = await this.#ask('HEAD', signing, command, {}, options);
    const Metadata: Record<string, string> = {};
    for (const [name, value] of headers) {
      if (name.startsWith('x-amz-meta-')) Metadata[name.slice('x-amz-meta-'.length)] = value;
    }
    return { ContentLength: lengthOf(headers), Metadata };
  }

  async #get(signing: Signing, command: GetObjectCommand, options: SendOptions): Promise<unknown> {
    const answer = await this.#ask('GET', signing, command, {}, options);
    const transformToByteArray = async (): Promise<Uint8Array> => new Uint8Array(await answer.arrayBuffer());
    return { ContentLength: lengthOf(answer.headers), Body: { transformToByteArray } };
  }

  async #ask(
    method: Method,
    signing: Signing,
    command: PutObjectCommand | GetObjectCommand | HeadObjectCommand,
    more: Record<string, string>,
    { abortSignal }: SendOptions,
    body?: Uint8Array<ArrayBuffer>,
  ): Promise<Response> {
    const { protocol, path, headers } = await this.#sign(signing, method, command.input.Key ?? '', more);
    const answer = await this.#fetch(`${protocol}//${headers.host}${path}`, {
      ...{ method, headers, redirect: 'manual' },
      ...(abortSignal === undefined ? {} : { signal: abortSignal }),
      ...(body === undefined ? {} : { body }),
    });
    if (answer.ok) return answer;
    throw await failureOf(answer);
  }

  async #sign(
    { address: { protocol, hostname, port, basePath }, signer }: Signing,
    method: Method,
    key: string,
    more: Record<string, string>,
  ): Promise<SignedRequest> {
    const host = port === undefined ? hostname : `${hostname}:${port}`;
    const path = basePath + encodeKey(key);
    // Like `leaveUnsigned` in clients.ts.
    const headers = { host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', ...more };
    const signingDate = new Date(Date.now() + this.#sdk.config.systemClockOffset);
    const signed = await signer.sign({ method, protocol, hostname, path, query: {}, headers }, { signingDate });
    return { protocol, hostname, port, path, headers: signed.headers };
  }
}

async function failureOf(answer: Response): Promise<S3ServiceException> {
  const { status } = answer;
  const text = await answer.text();
  // An answer to HEAD has no body with a code and a message.
  const fallback = status === 404 ? 'NotFound' : 'UnknownError';
  return new S3ServiceException({
    name: /<Code>([^<]+)<\/Code>/.exec(text)?.[1] ?? fallback,
    message: /<Message>([^<]+)<\/Message>/.exec(text)?.[1] ?? `status ${status}`,
    $fault: status >= 500 ? 'server' : 'client',
    $metadata: { httpStatusCode: status },
  });
}

function lengthOf(headers: Headers): number | undefined {
  const text = headers.get('content-length');
  return text === null ? undefined : Number(text);
}

/** Encodes a key for a path, as it is signed: RFC 3986, with slashes unchanged. */
function encodeKey(key: string): string {
  const escaped = (char: string): string => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
  return key
    .split('/')
    .map((part) => encodeURIComponent(part).replace(/[!'()*]/g, escaped))
    .join('/');
}
