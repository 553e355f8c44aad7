import { GetObjectCommand, type GetObjectCommandOutput, type S3Client } from '@aws-sdk/client-s3';
import { Semaphore } from '../../system/semaphore.ts';
import { isRange, parseRequested } from './content-range.ts';
import type { LeanClient, Sender, SendOptions } from './lean-client.ts';
import type { OpenBody } from './object-stream.ts';
import { openBody } from './open-body.ts';
import { PlainConnections } from './plain-connections.ts';

/** Bodies that are read through Bun's fetch at once: with what requests.ts lets through, it has connections for all. */
const SWIFT_STREAMS = 48;

export interface StreamWays {
  /** Knows where the bucket is, and signs. */
  readonly lean: LeanClient;
  /** Whether connections may be made to the store itself. */
  readonly direct: boolean;
  /** By Bun's fetch: only a few may be open at once. */
  readonly swift: S3Client;
  /** By Node's sockets: dear, and any number of them. */
  readonly many: S3Client;
}

/**
 * GETs of bodies that clients read, at their own pace: any number of them. Without TLS they come over connections of our own, for
 * half the processor time; whatever is not plain there is asked of the SDK again, which knows what every answer means.
 */
export class StreamClient implements Sender {
  readonly #ways: StreamWays;
  readonly #swift = new Semaphore(SWIFT_STREAMS);
  #connections: PlainConnections | undefined;

  constructor(ways: StreamWays) {
    this.#ways = ways;
  }

  readonly send = (async (command: unknown, options: SendOptions = {}): Promise<unknown> => {
    if (!(command instanceof GetObjectCommand)) return await this.#ways.many.send(command as never, options);
    return { Body: (await this.#plain(command, options)) ?? (await this.#bySdk(command, options)) };
  }) as S3Client['send'];

  destroy(): void {
    this.#connections?.close();
    this.#ways.swift.destroy();
    this.#ways.many.destroy();
  }

  async #plain({ input }: GetObjectCommand, { abortSignal = NEVER }: SendOptions): Promise<OpenBody | undefined> {
    const range = parseRequested(input.Range);
    if (!this.#ways.direct || range === undefined || input.Range === undefined) return undefined;
    const request = await this.#ways.lean.signedGet(input.Key ?? '', { range: input.Range });
    if (request?.protocol !== 'http:') return undefined;
    const { hostname, port = 80, path, headers } = request;
    // In an address, brackets are around a host of version 6.
    this.#connections ??= new PlainConnections({ hostname: hostname.replace(/^\[|\]$/g, ''), port });
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
    return await this.#connections.get({ head, range }, abortSignal);
  }

  async #bySdk(command: GetObjectCommand, options: SendOptions): Promise<OpenBody> {
    const swift = this.#swift.tryAcquire();
    const client = swift === undefined ? this.#ways.many : this.#ways.swift;
    try {
      const answer = await client.send(command, options);
      const body = openBody(answer.Body, () => swift?.());
      if (isAsked(command.input.Range, answer)) return body;
      body.destroy();
      throw new Error('the object store answered with other bytes than those that it was asked for');
    } catch (error) {
      swift?.();
      throw error;
    }
  }
}

const NEVER = new AbortController().signal;

/** A range may be ignored: then the whole object comes, which is as good where it is all of it that was wanted. */
function isAsked(requested: string | undefined, { ContentRange, ContentLength }: GetObjectCommandOutput): boolean {
  const range = parseRequested(requested);
  if (range === undefined) return true;
  if (ContentRange !== undefined) return isRange(ContentRange, range);
  return range.start === 0 && ContentLength === range.end;
}
