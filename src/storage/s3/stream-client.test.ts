import { afterEach, expect, test } from 'bun:test';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { openClients, type S3Clients } from './clients.ts';
import { openBody } from './open-body.ts';

const OBJECT = Buffer.from('0123456789');
const NAMED = { Bucket: 'bucket', Key: 'key' };

interface ReceivedRequest {
  readonly range: string;
  readonly agent: string | null;
}

/** A store whose responses to ranges the test controls. */
class Store {
  readonly received: ReceivedRequest[] = [];
  readonly clients: S3Clients;
  readonly #server: Bun.Server<undefined>;

  constructor(answer: (range: string) => Response) {
    this.#server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: ({ headers }) => {
        const range = headers.get('range');
        if (range === null) return new Response(OBJECT);
        this.received.push({ range, agent: headers.get('user-agent') });
        return answer(range);
      },
    });
    this.clients = openClients({
      ...{ bucket: 'bucket', region: undefined, redirectEndpoint: undefined, prefix: undefined, forcePathStyle: true },
      ...{ ca: undefined, insecureSkipVerify: undefined, partSize: 1, uploadBuffer: 1 },
      endpoint: `http://127.0.0.1:${this.#server.port}`,
      credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
    });
    stores.push(this);
  }

  async read(range: string): Promise<string> {
    const { Body } = await this.clients.streams.send(new GetObjectCommand({ ...NAMED, Range: range }));
    const { chunks } = openBody(Body);
    let text = '';
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
      text += Buffer.from(next.value).toString();
    }
    return text;
  }

  async stop(): Promise<void> {
    this.clients.destroy();
    await this.#server.stop(true);
  }
}

const stores: Store[] = [];
afterEach(async () => {
  for (const store of stores.splice(0)) await store.stop();
});

function part(start: number, end: number): Response {
  const headers = { 'Content-Range': `bytes ${start}-${end - 1}/${OBJECT.length}` };
  return new Response(OBJECT.subarray(start, end), { status: 206, headers });
}

test('ranges use a plain connection', async () => {
  const store = new Store(() => part(2, 5));
  for (let n = 0; n < 2; n++) expect(await store.read('bytes=2-4')).toBe('234');
  expect(store.received.map(({ agent }) => agent)).toEqual([null, null]);
});

test('other bytes than requested are an error, from either client', async () => {
  const store = new Store(() => part(3, 6));
  await expect(store.read('bytes=2-4')).rejects.toThrow('other bytes');
  // The request was sent again by the SDK.
  expect(store.received.map(({ agent }) => agent !== null)).toEqual([false, true]);
});

test('a store without ranges serves whole objects, and never the wrong part of one', async () => {
  const store = new Store(() => new Response(OBJECT));
  for (let n = 0; n < 2; n++) {
    expect(await store.read('bytes=0-9')).toBe('0123456789');
    await expect(store.read('bytes=2-4')).rejects.toThrow('other bytes');
    await expect(store.read('bytes=0-4')).rejects.toThrow('other bytes');
  }
});
