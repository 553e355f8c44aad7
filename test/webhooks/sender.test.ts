// One attempt to deliver, against real receivers: good ones, and ones that fail in every way.
import { afterAll, afterEach, describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { type Outcome, type ResolveName, Sender } from '../../src/webhooks/sender.ts';
import { parseWebhooksFile } from '../../src/webhooks/webhooks-file.ts';
import { CA, makeCertificate } from '../support/certificates.ts';
import { run } from '../support/command.ts';
import { cleanUp, freePort, projectRoot } from '../support/server.ts';
import { type RawReceiver, type Receiver, startRawReceiver, startReceiver } from './receivers.ts';

const MESSAGE = { headers: { 'content-type': 'application/json', 'x-a': 'b' }, body: '{"a":"ä"}' };
const never = new AbortController().signal;

const running: { readonly stop: () => Promise<void> }[] = [];
afterEach(async () => {
  for (const receiver of running.splice(0)) await receiver.stop();
});
afterAll(cleanUp);

function started<T extends Receiver | RawReceiver>(receiver: T): T {
  running.push(receiver);
  return receiver;
}

interface Options {
  readonly allowPrivate?: boolean;
  readonly timeout?: string;
  readonly resolve?: ResolveName;
}

const noName: ResolveName = async () => {
  throw new Error('a name was looked up');
};

function senderTo(url: string, { allowPrivate = true, timeout = '10s', resolve = noName }: Options = {}): Sender {
  const [webhook] = parseWebhooksFile(JSON.stringify({ webhooks: [{ name: 'a', url, allowPrivate, timeout }] }));
  if (webhook === undefined) throw new Error('there is no webhook');
  const sender = new Sender(webhook, { resolve, now: () => performance.now() });
  running.push({ stop: async () => sender.close() });
  return sender;
}

async function timed(work: Promise<Outcome>): Promise<{ readonly outcome: Outcome; readonly seconds: number }> {
  const begun = performance.now();
  const outcome = await work;
  return { outcome, seconds: (performance.now() - begun) / 1000 };
}

describe('an attempt', () => {
  test('sends the body and the headers, and is accepted by any status of 2xx', async () => {
    const receiver = started(
      startReceiver((_, count) => new Response('thanks', { status: [200, 202, 299][count - 1] ?? 200 })),
    );
    const sender = senderTo(receiver.url);
    for (const status of [200, 202, 299])
      expect(await sender.send(MESSAGE, never)).toEqual({ kind: 'accepted', status });
    expect(receiver.received[0]).toMatchObject({
      path: '/hook',
      body: MESSAGE.body,
      headers: { 'x-a': 'b', 'content-type': 'application/json', host: new URL(receiver.url).host },
    });
  });

  test('fails by any other status, with the status as the reason', async () => {
    const statuses = [400, 404, 410, 429, 500, 503, 304];
    const receiver = started(startReceiver((_, count) => new Response('no', { status: statuses[count - 1] ?? 500 })));
    const sender = senderTo(receiver.url);
    for (const status of statuses) {
      const outcome = await sender.send(MESSAGE, never);
      expect([status, outcome]).toEqual([status, { kind: 'failed', reason: expect.stringContaining(String(status)) }]);
    }
  });

  test('does not follow a redirect', async () => {
    const target = started(startReceiver());
    for (const status of [301, 302, 307, 308]) {
      const receiver = started(startReceiver(() => new Response(null, { status, headers: { location: target.url } })));
      expect(await senderTo(receiver.url).send(MESSAGE, never)).toEqual({
        kind: 'failed',
        reason: `a redirect (${status}), which is not followed`,
      });
    }
    expect(target.received).toEqual([]);
  });

  test('fails if nobody listens, the connection is dropped, or the answer is not HTTP', async () => {
    const gone = senderTo(`http://127.0.0.1:${freePort()}/secret-path`);
    const dropped = senderTo(started(await startRawReceiver((socket) => socket.destroy())).url);
    const other = senderTo(started(await startRawReceiver((socket) => socket.end('hello\r\n\r\n'))).url);
    for (const sender of [gone, dropped, other]) {
      const outcome = await sender.send(MESSAGE, never);
      expect(outcome).toEqual({ kind: 'failed', reason: expect.stringContaining('the connection failed') });
      expect(JSON.stringify(outcome)).not.toContain('secret-path');
    }
  });

  test('ends at the timeout, which counts from the beginning', async () => {
    const silent = senderTo(started(await startRawReceiver(() => {})).url, { timeout: '500ms' });
    const slow = senderTo(
      started(
        await startRawReceiver((socket) => {
          // A byte at a time: there is always something new.
          const timer = setInterval(() => socket.write('H'), 100);
          socket.on('close', () => clearInterval(timer));
        }),
      ).url,
      { timeout: '500ms' },
    );
    const nameless = senderTo('http://receiver.test/', { timeout: '500ms', resolve: () => new Promise(() => {}) });
    for (const sender of [silent, slow, nameless]) {
      const { outcome, seconds } = await timed(sender.send(MESSAGE, never));
      expect(outcome).toEqual({ kind: 'failed', reason: 'no answer within 500 ms' });
      expect(seconds).toBeWithin(0.45, 5);
    }
  });

  test('ends when it is aborted', async () => {
    const sender = senderTo(started(await startRawReceiver(() => {})).url);
    const stop = new AbortController();
    const attempt = sender.send(MESSAGE, stop.signal);
    stop.abort(new Error('stopped'));
    expect(await attempt.catch(String)).toContain('stopped');
  });

  test('reads a bounded part of a body that is long or never ends, and is decided by the status', async () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n';
    const chunk = Buffer.alloc(1024 * 1024);
    const gigabyte = started(
      await startRawReceiver((socket) => {
        socket.write(head);
        const more = (): void => {
          while (!socket.destroyed && socket.write(chunk));
        };
        socket.on('drain', more);
        more();
      }),
    );
    const endless = started(
      await startRawReceiver((socket) => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
        const timer = setInterval(() => socket.write('1\r\na\r\n'), 50);
        socket.on('close', () => clearInterval(timer));
      }),
    );
    for (const receiver of [gigabyte, endless]) {
      const { outcome, seconds } = await timed(senderTo(receiver.url).send(MESSAGE, never));
      expect(outcome).toEqual({ kind: 'accepted', status: 200 });
      expect(seconds).toBeLessThan(5);
    }
    // Buffers of the kernel and of the client hold some megabytes.
    expect(gigabyte.written()).toBeLessThan(64 * 1024 * 1024);
  });

  test('uses a connection again', async () => {
    const connections = new Set<string>();
    const server = Bun.serve({
      ...{ hostname: '127.0.0.1', port: 0 },
      fetch: (request, self) => {
        connections.add(String(self.requestIP(request)?.port));
        return new Response('ok');
      },
    });
    running.push({ stop: () => server.stop(true) });
    const sender = senderTo(server.url.href);
    for (let count = 0; count < 5; count++) await sender.send(MESSAGE, never);
    expect(connections.size).toBe(1);
  });

  test('does not use the proxy of the environment', async () => {
    const receiver = started(startReceiver());
    const environment = { http_proxy: `http://127.0.0.1:${freePort()}`, NO_PROXY: '' };
    expect(await sendOnce(receiver.url, environment)).toEqual({ kind: 'accepted', status: 204 });
  });
});

describe('a name', () => {
  test('is looked up once, and the connection is made to an address that was checked', async () => {
    const receiver = started(startReceiver());
    const asked: string[] = [];
    // This name does not exist, so any other look-up would fail.
    const url = `http://receiver.test:${receiver.port}/hook`;
    const resolve: ResolveName = async (name) => {
      asked.push(name);
      return ['127.0.0.1'];
    };
    const sender = senderTo(url, { resolve });
    expect(await sender.send(MESSAGE, never)).toEqual({ kind: 'accepted', status: 204 });
    expect(asked).toEqual(['receiver.test']);
    expect(receiver.received[0]?.headers.host).toBe(`receiver.test:${receiver.port}`);
  });

  test('that leads to a private address is refused without a connection, whatever a second look-up would say', async () => {
    const receiver = started(startReceiver());
    const answers = [['127.0.0.1'], ['10.0.0.1', '::1'], ['::ffff:127.0.0.1'], []];
    for (const addresses of answers) {
      let asked = 0;
      const resolve: ResolveName = async () => (asked++ === 0 ? addresses : ['203.0.113.1']);
      const sender = senderTo(`http://receiver.test:${receiver.port}/`, { allowPrivate: false, resolve });
      expect(await sender.send(MESSAGE, never)).toEqual({
        kind: 'failed',
        reason: 'its name leads to this machine or into a private network, which needs `allowPrivate: true`',
      });
      expect(asked).toBe(1);
    }
    expect(receiver.received).toEqual([]);
  });

  test('with several addresses is tried at each in turn', async () => {
    const receiver = started(startReceiver());
    const resolve: ResolveName = async () => ['127.0.0.2', '127.0.0.1'];
    const sender = senderTo(`http://receiver.test:${receiver.port}/`, { resolve, timeout: '2s' });
    const outcomes = [await sender.send(MESSAGE, never), await sender.send(MESSAGE, never)];
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['accepted', 'failed']);
  });

  test('is what the certificate must be for', async () => {
    const authority = await makeCertificate('An authority', { extensions: CA });
    const certificate = await makeCertificate('receiver.test', {
      issuer: authority,
      extensions: ['subjectAltName=DNS:receiver.test', 'extendedKeyUsage=serverAuth'],
    });
    const receiver = started(startReceiver(undefined, 0, { cert: certificate.pem, key: certificate.key }));
    const trusting = { NODE_EXTRA_CA_CERTS: authority.path };
    const [good, other] = ['receiver.test', 'other.test'].map((host) => `https://${host}:${receiver.port}/`);
    expect(await sendOnce(good ?? '', trusting)).toEqual({ kind: 'accepted', status: 204 });
    const failed = { kind: 'failed', reason: expect.stringContaining('the connection failed') };
    expect(await sendOnce(other ?? '', trusting)).toEqual(failed);
    expect(await sendOnce(good ?? '', {})).toEqual(failed);
    expect(receiver.received.map(({ headers }) => headers.host)).toEqual([`receiver.test:${receiver.port}`]);
  });
});

/** In a process of its own, with 127.0.0.1 as the address of the URL's host. */
async function sendOnce(url: string, env: Readonly<Record<string, string>>): Promise<unknown> {
  const bun = join(projectRoot, 'node_modules', '.bin', 'bun');
  return JSON.parse(await run([bun, join(import.meta.dir, 'send-once.ts'), url, '127.0.0.1'], { env }));
}
