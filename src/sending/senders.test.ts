import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SendReply } from './protocol.ts';
import { openSendWorker, Senders } from './senders.ts';

const KIB = 1024;
/** Much larger than the buffers of a connection. */
const BIG = 48 * KIB * KIB;
const SOON_MS = 20_000;
const HEAD = 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n';

const folder = mkdtempSync(join(tmpdir(), 'marina-sending-'));
const path = join(folder, 'big');
const bytes = Buffer.alloc(BIG);
beforeAll(() => {
  for (let at = 0; at < BIG; at += 4) bytes.writeUInt32LE((at * 2654435761) % 2 ** 32, at);
  writeFileSync(path, bytes);
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Range {
  readonly path?: string;
  readonly start?: number;
  readonly end?: number;
}

/** A server that responds through sending threads and records the outcome of each response. */
class Site {
  readonly replies: SendReply[] = [];
  readonly failures: Error[] = [];
  /** Requests that were not handed over. */
  refused = 0;
  closed = 0;
  readonly senders: Senders;
  readonly #server: Bun.Server<undefined>;
  readonly #clients: Client[] = [];

  /** The threads, in the order in which they were started. */
  readonly workers: Worker[] = [];

  constructor({ threads = 2, idle = SOON_MS, hostname = '127.0.0.1' } = {}) {
    this.senders = new Senders({
      ...{ threads, idle, failed: (error) => this.failures.push(error) },
      openWorker: () => {
        const worker = openSendWorker();
        this.workers.push(worker);
        return worker;
      },
    });
    this.#server = Bun.serve({ hostname, port: 0, fetch: (request) => this.#answer(request) });
    sites.push(this);
  }

  get port(): number {
    return this.#server.port ?? 0;
  }

  get pending(): number {
    return this.#server.pendingRequests;
  }

  async get(range: Range = {}, host = '127.0.0.1'): Promise<Client> {
    const client = await Client.open(this.port, host, range.start);
    this.#clients.push(client);
    client.ask(JSON.stringify(range));
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.senders.close();
    await this.#server.stop(true);
  }

  async #answer(request: Request): Promise<Response> {
    const text = request.headers.get('x-file');
    if (text === null) return new Response('small');
    const { path: file = path, start = 0, end = BIG }: Range = JSON.parse(text);
    const peer = this.#server.requestIP(request);
    if (peer === null) throw new Error('the client is gone');
    const closed = new Promise<void>((resolve) => request.signal.addEventListener('abort', () => resolve()));
    const opened = openSync(file, 'r');
    const answer = { peer, localPort: this.port, head: Buffer.from(HEAD), file: opened, start, end };
    const sending = this.senders.send(answer);
    if (sending === undefined) {
      closeSync(opened);
      this.refused++;
      return new Response('not handed over');
    }
    const reply = await sending;
    closeSync(opened);
    this.replies.push(reply);
    await closed;
    this.closed++;
    return new Response('for nobody');
  }
}

/** Checks a response while it arrives, because the bodies of many clients would take too much memory. */
class Client {
  readonly #socket: Socket;
  /** Offset in the file at which the body should begin. */
  readonly #start: number;
  #isHead = true;
  /** Bytes of the body. */
  length = 0;
  isRight = true;
  /** The head, and the bytes that arrived with it. */
  text = '';
  ended = false;

  private constructor(socket: Socket, start: number) {
    this.#socket = socket;
    this.#start = start;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('close', () => {
      this.ended = true;
    });
    // A connection that is shut down resets, and then closes.
    socket.on('error', (error) => expect(error.message).toContain('ECONNRESET'));
  }

  static open(port: number, host: string, start = 0): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host }, () => resolve(new Client(socket, start)));
      socket.on('error', reject);
    });
  }

  /** Whether the body equals the file from `start` up to this offset. */
  has(end: number): boolean {
    return this.isRight && this.length === end - this.#start;
  }

  #take(chunk: Buffer): void {
    let body = chunk;
    if (this.#isHead) {
      this.text += chunk.toString('latin1');
      const end = this.text.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.#isHead = false;
      body = chunk.subarray(chunk.length - (this.text.length - end - 4));
    }
    const at = this.#start + this.length;
    this.isRight &&= body.equals(bytes.subarray(at, at + body.length));
    this.length += body.length;
  }

  ask(file: string): void {
    this.#socket.write(`GET / HTTP/1.1\r\nHost: site\r\nX-File: ${file}\r\n\r\n`);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }
}

const sites: Site[] = [];
afterEach(async () => {
  for (const site of sites.splice(0)) await site.stop();
});

async function until(met: () => boolean): Promise<void> {
  const deadline = performance.now() + SOON_MS;
  while (!met()) {
    if (performance.now() > deadline) throw new Error(`did not happen in time: ${met}`);
    await Bun.sleep(5);
  }
}

/** What each open descriptor of this process is. */
function descriptors(): string[] {
  return readdirSync('/proc/self/fd').map((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`);
    } catch {
      // This was the descriptor of the listing itself.
      return '';
    }
  });
}

const openSockets = (): ReadonlySet<string> => new Set(descriptors().filter((name) => name.startsWith('socket:')));

/** Open descriptors of the file, and of sockets other than the known ones. Those of earlier tests may close at any time. */
function held(known: ReadonlySet<string> = new Set()): { files: number; sockets: number } {
  const names = descriptors();
  return {
    files: names.filter((name) => name.startsWith(path)).length,
    sockets: names.filter((name) => name.startsWith('socket:') && !known.has(name)).length,
  };
}

test('the whole file is sent, the connection is closed, and no descriptor stays open', async () => {
  const site = new Site();
  const known = openSockets();
  const client = await site.get();
  await until(() => client.ended);
  expect(client.text.slice(0, HEAD.length)).toBe(HEAD);
  expect(client.has(BIG)).toBe(true);
  await until(() => site.closed === 1);
  expect(site.replies).toEqual([{ id: 1, sent: BIG, outcome: { kind: 'whole' } }]);
  await until(() => site.pending === 0);
  expect(held(known)).toEqual({ files: 0, sockets: 0 });
});

test('a range is exactly that range', async () => {
  const site = new Site();
  for (const [start, end] of [
    [0, 1],
    [1, 300_001],
    [BIG - 5, BIG],
  ] as const) {
    const client = await site.get({ start, end });
    await until(() => client.ended);
    expect(client.has(end)).toBe(true);
  }
});

test('concurrent clients, some of them slow, each get their own file', async () => {
  const site = new Site({ threads: 3 });
  const clients = await Promise.all(Array.from({ length: 24 }, (_, i) => site.get({ start: i * 1000 })));
  for (const [i, client] of clients.entries()) if (i % 3 === 0) client.pause();
  await until(() => clients.every((client, i) => client.ended || i % 3 === 0));
  for (const client of clients) client.resume();
  await until(() => clients.every(({ ended }) => ended));
  expect(clients.filter((client) => !client.has(BIG))).toEqual([]);
  expect(site.failures).toEqual([]);
}, 60_000);

test('other requests are served in the meantime', async () => {
  const site = new Site({ threads: 1 });
  const slow = await site.get();
  slow.pause();
  const other = await site.get();
  await until(() => other.ended);
  expect(await (await fetch(`http://127.0.0.1:${site.port}/`)).text()).toBe('small');
  expect(site.replies.length).toBe(1);
  slow.resume();
  await until(() => slow.ended);
  expect(slow.has(BIG)).toBe(true);
});

test('a client that disconnects ends its transfer', async () => {
  const site = new Site();
  const known = openSockets();
  const client = await site.get();
  await until(() => client.length > 0);
  client.pause();
  client.close();
  await until(() => site.closed === 1);
  expect(site.replies).toEqual([expect.objectContaining({ outcome: { kind: 'client-gone' } })]);
  await until(() => site.pending === 0 && held(known).files === 0 && held(known).sockets === 0);
});

test('a client that reads nothing for the idle timeout is dropped, a slow one is not', async () => {
  const site = new Site({ idle: 800 });
  const [stalled, slow] = [await site.get(), await site.get()];
  stalled.pause();
  slow.pause();
  // At this rate the buffers get no room for another piece within the timeout.
  const trickle = setInterval(() => {
    slow.resume();
    setTimeout(() => slow.pause(), 1);
  }, 300);
  await until(() => site.replies.length > 0);
  clearInterval(trickle);
  slow.resume();
  await until(() => slow.ended);
  expect(site.replies.map((reply) => reply.outcome.kind).sort()).toEqual(['stalled', 'whole']);
  expect(slow.has(BIG)).toBe(true);
  stalled.resume();
  await until(() => stalled.ended);
  expect(stalled.length).toBeLessThan(BIG);
});

test('small responses do not wait for a stalled client', async () => {
  // A response waits for a quarter of it at most.
  const site = new Site({ threads: 1, idle: 4 * SOON_MS });
  const stalled = await site.get();
  await until(() => stalled.length > 0);
  stalled.pause();
  await Bun.sleep(100);
  const begun = performance.now();
  const clients = await Promise.all(Array.from({ length: 20 }, () => site.get({ end: 10 })));
  await until(() => clients.every((client) => client.has(10)));
  expect(performance.now() - begun).toBeLessThan(3_000);
});

test('a file that is shorter than announced resets the connection, and the error gives the offset', async () => {
  const site = new Site();
  const short = join(folder, 'short');
  writeFileSync(short, bytes);
  const client = await site.get({ path: short });
  await until(() => client.length > 0);
  client.pause();
  truncateSync(short, BIG / 2);
  client.resume();
  await until(() => client.ended);
  expect([client.isRight, client.length <= BIG / 2]).toEqual([true, true]);
  const message = expect.stringContaining(`ends at ${BIG / 2}, before ${BIG}`);
  expect(site.replies).toEqual([expect.objectContaining({ outcome: { kind: 'failed', message } })]);
});

test('aborted transfers end at once', async () => {
  const site = new Site();
  const clients = [await site.get(), await site.get()];
  for (const client of clients) client.pause();
  await until(() => held().files === 2);
  site.senders.abort();
  await until(() => site.closed === 2);
  expect(held().files).toBe(0);
});

/** Two threads, each of which sends to a client that reads nothing. */
async function siteOfTwo(): Promise<{ site: Site; stalled: readonly [Client, Client] }> {
  const site = new Site({ threads: 2 });
  const begin = async (): Promise<Client> => {
    const client = await site.get();
    await until(() => client.length > 0);
    client.pause();
    return client;
  };
  return { site, stalled: [await begin(), await begin()] };
}

test('a thread that reports two errors is dropped once, and other threads are not affected', async () => {
  const { site, stalled } = await siteOfTwo();
  const [broken] = site.workers;
  for (const message of ['one', 'two']) broken?.dispatchEvent(new ErrorEvent('error', { message }));
  await until(() => site.replies.length === 1);
  expect(site.failures.map(({ message }) => message)).toEqual(['a sending thread ended: one']);
  // The other thread continues and sends the next files.
  stalled[1].resume();
  await until(() => stalled[1].ended);
  expect(stalled[1].has(BIG)).toBe(true);
  const next = await site.get();
  await until(() => next.ended);
  expect({ whole: next.has(BIG), threads: site.workers.length }).toEqual({ whole: true, threads: 2 });
});

test('a thread that ends without an error is dropped with its transfers, and replaced', async () => {
  const known = openSockets();
  const { site, stalled } = await siteOfTwo();
  for (const worker of site.workers) worker.terminate();
  await until(() => site.replies.length === 2);
  expect(site.failures).toHaveLength(2);
  for (const client of stalled) client.resume();
  await until(() => stalled.every(({ ended }) => ended));
  const next = await site.get();
  await until(() => next.ended);
  expect({ whole: next.has(BIG), threads: site.workers.length }).toEqual({ whole: true, threads: 3 });
  // Only the server's listening socket is left.
  await until(() => site.pending === 0 && held(known).sockets === 1);
});

test('pipelined requests are never answered within a body', async () => {
  const site = new Site();
  const client = await site.get();
  client.ask('{}');
  client.ask('{"end":10}');
  await until(() => client.ended);
  expect(client.isRight).toBe(true);
});

test('an IPv6 connection is found, also to an IPv4-mapped address', async () => {
  const site = new Site({ hostname: '::' });
  for (const host of ['::1', '127.0.0.1']) {
    const client = await site.get({ end: 1000 }, host);
    await until(() => client.ended);
    expect(client.has(1000)).toBe(true);
  }
  expect(site.refused).toBe(0);
});

test('no connection of another peer is borrowed', async () => {
  const senders = new Senders({ threads: 1, idle: SOON_MS, failed: (error) => expect(error).toBeUndefined() });
  const answer = { localPort: 5000, head: Buffer.from(HEAD), file: 0, start: 0, end: BIG };
  expect(senders.send({ ...answer, peer: { address: '127.0.0.1', port: 1 } })).toBeUndefined();
  expect(senders.send({ ...answer, peer: { address: 'fe80::1%eth0', port: 1 } })).toBeUndefined();
  await senders.close();
});
