import { dlopen } from 'bun:ffi';
import { afterEach, expect, test } from 'bun:test';
import { closeSync } from 'node:fs';
import type { OpenBody } from './object-stream.ts';
import { PlainConnections } from './plain-connections.ts';

const KIB = 1024;
const NEVER = new AbortController().signal;
const REQUEST = { head: 'GET /bucket/key HTTP/1.1\r\nhost: store\r\n\r\n', range: { start: 0, end: 5 } };

type Peer = Bun.Socket<undefined>;

/** A store whose responses the test controls, connection by connection. */
class Store {
  readonly peers: Peer[] = [];
  requests = 0;
  gone = 0;
  readonly #listener: Bun.TCPSocketListener<undefined>;
  readonly connections: PlainConnections;

  /** @param said to the nth request */
  constructor(said: (peer: Peer, n: number) => void, hostname = '127.0.0.1') {
    this.#listener = Bun.listen<undefined>({
      hostname,
      port: 0,
      socket: {
        open: (peer) => void this.peers.push(peer),
        data: (peer, bytes) => {
          if (bytes.toString().endsWith('\r\n\r\n')) said(peer, this.requests++);
        },
        close: () => void this.gone++,
      },
    });
    this.connections = new PlainConnections({ hostname, port: this.#listener.port });
    stores.push(this);
  }

  async saw(what: () => boolean): Promise<void> {
    for (let tries = 0; tries < 500 && !what(); tries++) await Bun.sleep(5);
    expect(what()).toBe(true);
  }

  stop(): void {
    this.connections.close();
    this.#listener.stop(true);
  }
}

const stores: Store[] = [];
afterEach(() => {
  for (const store of stores.splice(0)) store.stop();
});

const headOf = (length: number, more = ''): string =>
  `HTTP/1.1 206 Partial Content\r\nContent-Length: ${length}\r\n${rangeOf(0, length)}${more}\r\n`;
const rangeOf = (start: number, end: number): string => `Content-Range: bytes ${start}-${end - 1}/1000\r\n`;

async function textOf(body: OpenBody | undefined): Promise<string> {
  if (body === undefined) return expect.unreachable();
  let text = '';
  for (let next = await body.chunks.next(); next.done !== true; next = await body.chunks.next()) {
    text += Buffer.from(next.value).toString();
  }
  return text;
}

test('a response in pieces is assembled, and its connection is reused', async () => {
  const store = new Store(async (peer, n) => {
    for (const char of headOf(5)) peer.write(char);
    peer.flush();
    await Bun.sleep(10);
    peer.write(`a${n}`);
    await Bun.sleep(10);
    peer.write('bcd');
  });
  expect(await textOf(await store.connections.get(REQUEST, NEVER))).toBe('a0bcd');
  expect(await textOf(await store.connections.get(REQUEST, NEVER))).toBe('a1bcd');
  expect(store.peers).toHaveLength(1);
});

test('two concurrent bodies have a connection each', async () => {
  const store = new Store((peer, n) => void peer.write(`${headOf(5)}abcd${n}`));
  const bodies = await Promise.all([store.connections.get(REQUEST, NEVER), store.connections.get(REQUEST, NEVER)]);
  expect((await Promise.all(bodies.map(textOf))).sort()).toEqual(['abcd0', 'abcd1']);
  expect(store.peers).toHaveLength(2);
});

test('a connection that the store closes after a response, or while it is idle, is replaced', async () => {
  const store = new Store((peer, n) => {
    peer.write(`${headOf(5, n === 0 ? 'Connection: close\r\n' : '')}abcde`);
    // Not even the answer to the next request would come.
    if (n === 1) peer.end();
  });
  for (let n = 0; n < 3; n++) expect(await textOf(await store.connections.get(REQUEST, NEVER))).toBe('abcde');
  expect(store.peers).toHaveLength(3);
});

test('a kept connection that dies under a request does not fail it', async () => {
  const store = new Store((peer, n) => void (n === 1 ? peer.terminate() : peer.write(`${headOf(5)}abcde`)));
  for (let n = 0; n < 2; n++) expect(await textOf(await store.connections.get(REQUEST, NEVER))).toBe('abcde');
  expect({ requests: store.requests, connections: store.peers.length }).toEqual({ requests: 3, connections: 2 });
});

test.each([
  ['an error', 'HTTP/1.1 503 Slow Down\r\nContent-Length: 5\r\n\r\nabcde'],
  ['the whole object', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde'],
  ['another length', `HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\n${rangeOf(0, 5)}\r\nabcd`],
  ['other bytes of the object', `HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n${rangeOf(5, 10)}\r\nabcde`],
  ['bytes of nobody knows where', 'HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\n\r\nabcde'],
  ['two ranges', headOf(5, rangeOf(0, 5))],
  ['a word before the answer', `HTTP/1.1 100 Continue\r\n\r\n${headOf(5)}abcde`],
  ['no length', `HTTP/1.1 206 Partial Content\r\n${rangeOf(0, 5)}\r\nabcde`],
  ['two lengths', headOf(5, 'Content-Length: 6\r\n')],
  ['chunks', headOf(5, 'Transfer-Encoding: chunked\r\n')],
  ['packed bytes', headOf(5, 'Content-Encoding: gzip\r\n')],
  ['an older protocol', `HTTP/1.0 206 Partial Content\r\nContent-Length: 5\r\n${rangeOf(0, 5)}\r\nabcde`],
  ['a line that is no field', headOf(5, 'what is this\r\n')],
  ['a head without end', `HTTP/1.1 206 Partial Content\r\n${'x-filler: 0123456789\r\n'.repeat(4000)}`],
])('%s is no answer here, and its connection is not used again', async (_, said) => {
  const store = new Store((peer) => void peer.write(said));
  expect(await store.connections.get(REQUEST, NEVER)).toBeUndefined();
  await store.saw(() => store.gone === 1);
});

test('a truncated body ends early; bytes beyond the announced length are never passed on', async () => {
  const store = new Store((peer, n) => {
    peer.write(headOf(5));
    if (n === 0) peer.end('ab');
    else peer.write('abcdefg');
  });
  expect(await textOf(await store.connections.get(REQUEST, NEVER))).toBe('ab');
  expect(await textOf(await store.connections.get(REQUEST, NEVER))).not.toContain('f');
  await store.saw(() => store.gone === 2);
});

test('back-pressure: bytes that nobody reads stay with the store', async () => {
  const length = 64 * KIB * KIB;
  let accepted = 0;
  const piece = new Uint8Array(256 * KIB);
  const store = new Store((peer) => {
    peer.write(headOf(length));
    const send = (): void => {
      for (let took = 1; took > 0 && accepted < length; ) {
        took = peer.write(piece, 0, Math.min(piece.length, length - accepted));
        accepted += Math.max(0, took);
      }
      if (accepted < length) setTimeout(send, 1);
    };
    send();
  });
  const body = await store.connections.get({ ...REQUEST, range: { start: 0, end: length } }, NEVER);
  await Bun.sleep(300);
  // What both kernels and one read take.
  expect(accepted).toBeLessThan(16 * KIB * KIB);
  let got = 0;
  for (;;) {
    const next = await body?.chunks.next();
    if (next === undefined || next.done === true) break;
    got += next.value.length;
  }
  expect(got).toBe(length);
});

test('dropping a body closes its connection, but not one that was reused', async () => {
  const store = new Store((peer, n) => void peer.write(n === 1 ? `${headOf(5)}ab` : `${headOf(5)}abcde`));
  const whole = await store.connections.get(REQUEST, NEVER);
  await Bun.sleep(10);
  const part = await store.connections.get(REQUEST, NEVER);
  whole?.destroy();
  expect((await part?.chunks.next())?.value).toEqual(new TextEncoder().encode('ab'));
  expect(store.gone).toBe(0);
  const waiting = part?.chunks.next();
  part?.destroy();
  expect(await waiting).toEqual({ done: true, value: undefined });
  await store.saw(() => store.gone === 1);
});

test('an aborted request fails with the reason, and its connection is closed', async () => {
  const store = new Store(() => undefined);
  const patience = new AbortController();
  const asked = store.connections.get(REQUEST, patience.signal);
  await store.saw(() => store.requests === 1);
  patience.abort(new Error('too slow'));
  await expect(asked).rejects.toThrow('too slow');
  await store.saw(() => store.gone === 1);
  await expect(store.connections.get(REQUEST, patience.signal)).rejects.toThrow('too slow');
});

test('an absent store, or one that closes at once, is an error', async () => {
  const store = new Store((peer) => peer.terminate());
  await expect(store.connections.get(REQUEST, NEVER)).rejects.toThrow();
  store.stop();
  const nobody = new PlainConnections({ hostname: '127.0.0.1', port: 1 });
  await expect(nobody.get(REQUEST, NEVER)).rejects.toThrow();
});

test('concurrent chains of requests all get their own responses', async () => {
  const store = new Store((peer, n) => void peer.write(`${headOf(5)}${String(n).padStart(5)}`));
  const ask = async (): Promise<string[]> => {
    const texts: string[] = [];
    for (let n = 0; n < 50; n++) texts.push(await textOf(await store.connections.get(REQUEST, NEVER)));
    return texts;
  };
  const all = (await Promise.all(Array.from({ length: 8 }, ask))).flat();
  expect(new Set(all).size).toBe(400);
  expect(store.peers.length).toBeLessThanOrEqual(8);
});

test('IPv6 addresses work', async () => {
  const store = new Store((peer) => void peer.write(`${headOf(5)}abcde`), '::1');
  expect(await textOf(await store.connections.get(REQUEST, NEVER))).toBe('abcde');
});

/** A port where connections are neither made nor refused, as where a machine is gone. */
function openSilent(): { readonly port: number; close(): void } {
  const { symbols } = dlopen(process.platform === 'darwin' ? 'libc.dylib' : 'libc.so.6', {
    socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
    bind: { args: ['i32', 'ptr', 'i32'], returns: 'i32' },
    listen: { args: ['i32', 'i32'], returns: 'i32' },
    getsockname: { args: ['i32', 'ptr', 'ptr'], returns: 'i32' },
  });
  const fd = symbols.socket(2, 1, 0);
  const address = new Uint8Array(16);
  address.set([2, 0, 0, 0, 127, 0, 0, 1]);
  expect(symbols.bind(fd, address, address.length)).toBe(0);
  // There is room for one, whom nobody ever takes out of the queue.
  expect(symbols.listen(fd, 0)).toBe(0);
  expect(symbols.getsockname(fd, address, new Int32Array([address.length]))).toBe(0);
  return { port: new DataView(address.buffer).getUint16(2), close: () => closeSync(fd) };
}

test('a silent store holds few descriptors, however often it is tried', async () => {
  const silent = openSilent();
  const connections = new PlainConnections({ hostname: '127.0.0.1', port: silent.port });
  const outcomes: string[] = [];
  for (let n = 0; n < 30; n++) {
    const outcome = connections.get(REQUEST, AbortSignal.timeout(10));
    outcomes.push(await outcome.then(String, (error: Error) => error.name));
  }
  // The first one was connected.
  expect(outcomes).toEqual([...Array(17).fill('TimeoutError'), ...Array(13).fill('undefined')]);
  silent.close();
});
