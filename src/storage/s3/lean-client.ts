import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3';

/** What the bucket asks of a client. */
export type Sender = Pick<S3Client, 'send' | 'destroy'>;

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

type Method = 'GET' | 'HEAD' | 'PUT';

interface Signable {
  readonly method: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query: Record<string, string>;
  readonly headers: Record<string, string>;
}

/** Where the SDK found the bucket, and how it signs for it. */
interface Way {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  /** The path before a key, with a slash at its end. */
  readonly base: string;
  readonly sign: (request: Signable, date: Date) => Promise<{ readonly headers: Record<string, string> }>;
}

export interface SendOptions {
  readonly abortSignal?: AbortSignal;
}

/** A request that is ready to be sent, by whoever can. */
export interface SignedRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port: number | undefined;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** What the middleware of the SDK sees of a request; of its types only what is looked at here. */
interface Seen {
  readonly input: { readonly Key?: string };
  readonly request: Omit<Signable, 'query'>;
}
interface SeenContext {
  readonly endpointV2?: { readonly properties?: { readonly authSchemes?: readonly AuthScheme[] } };
}
type AuthScheme = NonNullable<Parameters<S3Client['config']['signer']>[0]>;

/**
 * The requests that each push and pull of something small is made of, without the SDK's middleware, which takes four times as
 * long as all the rest of them. Where the bucket is, and how requests for it are signed, is the SDK's to say: it sends the first
 * one, and everything that is not PUT, GET or HEAD of one whole object.
 */
export class LeanClient implements Sender {
  readonly #sdk: S3Client;
  readonly #fetch: Fetch;
  #way: Way | 'unknown' | 'none' = 'unknown';

  constructor(sdk: S3Client, send: Fetch) {
    this.#sdk = sdk;
    this.#fetch = send;
    sdk.middlewareStack.add(
      (next, context) => async (args) => {
        this.#way = this.#way === 'unknown' ? await this.#learn(args as Seen, context as SeenContext) : this.#way;
        return next(args);
      },
      { step: 'finalizeRequest', priority: 'low', name: 'showTheWay' },
    );
  }

  // Each answer has the fields of the SDK's that the bucket reads.
  readonly send = (async (command: unknown, options: SendOptions = {}): Promise<unknown> => {
    try {
      const lean = this.#lean(command, options);
      if (lean !== undefined) return await lean;
    } catch (error) {
      // The SDK learns from its own requests by how much this machine's clock is wrong.
      if (!(error instanceof S3ServiceException && error.name === 'RequestTimeTooSkewed')) throw error;
    }
    return await this.#sdk.send(command as GetObjectCommand, options);
  }) as S3Client['send'];

  #lean(command: unknown, options: SendOptions): Promise<unknown> | undefined {
    const way = this.#way;
    if (typeof way === 'string') return undefined;
    if (command instanceof PutObjectCommand) return this.#put(way, command, options);
    if (command instanceof HeadObjectCommand) return this.#head(way, command, options);
    if (command instanceof GetObjectCommand && command.input.Range === undefined)
      return this.#get(way, command, options);
    return undefined;
  }

  /** @returns undefined as long as it is not known where the bucket is, and where only the SDK can sign for it */
  async signedGet(key: string, more: Record<string, string>): Promise<SignedRequest | undefined> {
    const way = this.#way;
    return typeof way === 'string' ? undefined : await this.#sign('GET', way, key, more);
  }

  destroy(): void {
    this.#sdk.destroy();
  }

  async #learn({ input: { Key }, request }: Seen, { endpointV2 }: SeenContext): Promise<Way | 'unknown' | 'none'> {
    if (Key === undefined) return 'unknown';
    const [scheme] = endpointV2?.properties?.authSchemes ?? [];
    const { protocol, hostname, port, path } = request;
    const end = encodeKey(Key);
    if (scheme?.name !== 'sigv4' || !path.endsWith(`/${end}`)) return 'none';
    const signer = await this.#sdk.config.signer(scheme);
    return {
      ...{ protocol, hostname, base: path.slice(0, -end.length) },
      ...(port === undefined ? {} : { port }),
      sign: (signable, signingDate) => signer.sign(signable as Parameters<typeof signer.sign>[0], { signingDate }),
    };
  }

  async #put(way: Way, command: PutObjectCommand, options: SendOptions): Promise<unknown> {
    const { Body, ChecksumCRC32: crc, IfNoneMatch, Metadata } = command.input;
    if (!(Body instanceof Uint8Array)) return this.#sdk.send(command, options);
    const headers: Record<string, string> = {};
    if (crc !== undefined) headers['x-amz-checksum-crc32'] = crc;
    if (IfNoneMatch !== undefined) headers['if-none-match'] = IfNoneMatch;
    for (const [name, value] of Object.entries(Metadata ?? {})) headers[`x-amz-meta-${name}`] = value;
    const answer = await this.#ask('PUT', way, command, headers, options, Body as Uint8Array<ArrayBuffer>);
    await answer.arrayBuffer();
    return { ETag: answer.headers.get('etag') ?? undefined };
  }

  async #head(way: Way, command: HeadObjectCommand, options: SendOptions): Promise<unknown> {
    const { headers } = await this.#ask('HEAD', way, command, {}, options);
    const Metadata: Record<string, string> = {};
    for (const [name, value] of headers) {
      if (name.startsWith('x-amz-meta-')) Metadata[name.slice('x-amz-meta-'.length)] = value;
    }
    return { ContentLength: lengthOf(headers), Metadata };
  }

  async #get(way: Way, command: GetObjectCommand, options: SendOptions): Promise<unknown> {
    const answer = await this.#ask('GET', way, command, {}, options);
    const transformToByteArray = async (): Promise<Uint8Array> => new Uint8Array(await answer.arrayBuffer());
    return { ContentLength: lengthOf(answer.headers), Body: { transformToByteArray } };
  }

  async #ask(
    method: Method,
    way: Way,
    command: PutObjectCommand | GetObjectCommand | HeadObjectCommand,
    more: Record<string, string>,
    { abortSignal }: SendOptions,
    body?: Uint8Array<ArrayBuffer>,
  ): Promise<Response> {
    const { protocol, path, headers } = await this.#sign(method, way, command.input.Key ?? '', more);
    const answer = await this.#fetch(`${protocol}//${headers.host}${path}`, {
      ...{ method, headers, redirect: 'manual' },
      ...(abortSignal === undefined ? {} : { signal: abortSignal }),
      ...(body === undefined ? {} : { body }),
    });
    if (answer.ok) return answer;
    throw await failureOf(answer);
  }

  async #sign(
    method: Method,
    { base, sign, ...way }: Way,
    key: string,
    more: Record<string, string>,
  ): Promise<SignedRequest> {
    const host = way.port === undefined ? way.hostname : `${way.hostname}:${way.port}`;
    const path = base + encodeKey(key);
    const headers = { host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', ...more };
    const date = new Date(Date.now() + this.#sdk.config.systemClockOffset);
    const signed = await sign({ ...way, method, path, query: {}, headers }, date);
    return { protocol: way.protocol, hostname: way.hostname, port: way.port, path, headers: signed.headers };
  }
}

async function failureOf(answer: Response): Promise<S3ServiceException> {
  const { status } = answer;
  const text = await answer.text();
  // An answer to HEAD has no body that says more.
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

/** As the SDK writes a key in a path, and so as it is signed. */
function encodeKey(key: string): string {
  const escaped = (char: string): string => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
  return key
    .split('/')
    .map((part) => encodeURIComponent(part).replace(/[!'()*]/g, escaped))
    .join('/');
}
