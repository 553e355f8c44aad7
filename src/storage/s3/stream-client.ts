import { GetObjectCommand, type GetObjectCommandOutput, type S3Client } from '@aws-sdk/client-s3';
import { Semaphore } from '../../system/semaphore.ts';
import { isRange, parseRangeHeader } from './content-range.ts';
import type { LeanClient, Sender, SendOptions } from './lean-client.ts';
import type { OpenBody } from './object-stream.ts';
import { openBody } from './open-body.ts';
import { PlainConnections } from './plain-connections.ts';

/** Bodies that a process reads with Bun's fetch at a time. With the permits of requests.ts they stay below its 256 connections. */
const MAX_FETCH_STREAMS = 48;

export interface StreamClients {
  /** Signs requests. */
  readonly lean: LeanClient;
  /** Whether the store may be connected to directly, without a proxy. */
  readonly direct: boolean;
  /** Uses Bun's fetch: for a limited number of bodies at a time. */
  readonly byFetch: S3Client;
  /** Uses Node's sockets: more CPU, any number of bodies. */
  readonly byNode: S3Client;
}

/**
 * GETs of any number of bodies that clients read at their own pace. Without TLS they use plain connections of our own, at half
 * the CPU; if a response is not the expected one, the SDK sends the request again and interprets the answer.
 */
export class StreamClient implements Sender {
  readonly #clients: StreamClients;
  readonly #fetchPermits: Semaphore;
  #connections: PlainConnections | undefined;

  /** @param threads of this process that read bodies */
  constructor(clients: StreamClients, threads: number) {
    this.#clients = clients;
    // A body without a permit is read by Node's sockets, so a thread may have none.
    this.#fetchPermits = new Semaphore(Math.floor(MAX_FETCH_STREAMS / threads));
  }

  readonly send = (async (command: unknown, options: SendOptions = {}): Promise<unknown> => {
    if (!(command instanceof GetObjectCommand)) return await this.#clients.byNode.send(command as never, options);
    return { Body: (await this.#plain(command, options)) ?? (await this.#bySdk(command, options)) };
  }) as S3Client['send'];

  destroy(): void {
    this.#connections?.close();
    this.#clients.byFetch.destroy();
    this.#clients.byNode.destroy();
  }

  async #plain({ input }: GetObjectCommand, { abortSignal = NEVER }: SendOptions): Promise<OpenBody | undefined> {
    const range = parseRangeHeader(input.Range);
    if (!this.#clients.direct || range === undefined || input.Range === undefined) return undefined;
    const request = await this.#clients.lean.signedGet(input.Key ?? '', { range: input.Range });
    if (request?.protocol !== 'http:') return undefined;
    const { hostname, port = 80, path, headers } = request;
    // In a URL, an IPv6 address has brackets.
    this.#connections ??= new PlainConnections({ hostname: hostname.replace(/^\[|\]$/g, ''), port });
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
    return await this.#connections.get({ head, range }, abortSignal);
  }

  async #bySdk(command: GetObjectCommand, options: SendOptions): Promise<OpenBody> {
    const release = this.#fetchPermits.tryAcquire();
    const client = release === undefined ? this.#clients.byNode : this.#clients.byFetch;
    try {
      const answer = await client.send(command, options);
      const body = openBody(answer.Body, () => release?.());
      if (isRequested(command.input.Range, answer)) return body;
      body.destroy();
      throw new Error('the object store answered with other bytes than were requested');
    } catch (error) {
      release?.();
      throw error;
    }
  }
}

const NEVER = new AbortController().signal;

/** A store may ignore the range and send the whole object, which is right if the range is all of it. */
function isRequested(requested: string | undefined, { ContentRange, ContentLength }: GetObjectCommandOutput): boolean {
  const range = parseRangeHeader(requested);
  if (range === undefined) return true;
  if (ContentRange !== undefined) return isRange(ContentRange, range);
  return range.start === 0 && ContentLength === range.end;
}
