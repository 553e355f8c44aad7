import { afterEach, expect, test } from 'bun:test';
import { eventually } from '../../test/support/eventually.ts';
import { InnerConnection, type InnerEvents } from './inner-connection.ts';

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

type Accepted = Bun.Socket<undefined>;

/** A server that hands over what it accepts. */
function listen(handlers: Partial<Bun.SocketHandler<undefined>> = {}) {
  const accepted = Promise.withResolvers<Accepted>();
  const server = Bun.listen({
    hostname: '127.0.0.1',
    port: 0,
    socket: { open: (socket) => accepted.resolve(socket), data: () => {}, ...handlers },
  });
  stops.push(() => server.stop(true));
  return { port: server.port, accepted: accepted.promise };
}

function connect(port: number, events: Partial<InnerEvents> = {}) {
  const opened = Promise.withResolvers<void>();
  const closed = Promise.withResolvers<void>();
  const log: string[] = [];
  const inner = new InnerConnection(port, {
    opened: () => {
      log.push('opened');
      opened.resolve();
    },
    received: () => true,
    drained: () => {},
    answered: () => log.push('answered'),
    failed: () => log.push('failed'),
    closed: () => {
      log.push('closed');
      closed.resolve();
    },
    ...events,
  });
  return { inner, log, opened: opened.promise, closed: closed.promise };
}

test('bytes that are written before the connection is open follow its opening, in their order', async () => {
  const received = Promise.withResolvers<string>();
  const { port } = listen({ data: (_, bytes) => received.resolve(String(bytes)) });
  const { inner, log } = connect(port, { drained: () => log.push('drained') });
  expect([inner.port, inner.isConnected]).toEqual([0, false]);
  expect([inner.write(Buffer.from('GET ')), inner.write(Buffer.from('/v2/'))]).toEqual([false, false]);
  expect(await received.promise).toBe('GET /v2/');
  expect([log, inner.isConnected]).toEqual([['opened', 'drained'], true]);
});

test('bytes that the server does not read yet wait, and the connection ends after the last one', async () => {
  const hash = new Bun.CryptoHasher('sha256');
  const ended = Promise.withResolvers<string>();
  const { port } = listen({
    data: (_, bytes) => void hash.update(bytes),
    end: () => ended.resolve(hash.digest('hex')),
  });
  const { inner, opened, closed } = connect(port);
  await opened;
  const bytes = Buffer.alloc(
    32 * 1024 * 1024,
    new Uint8Array(251).map((_, at) => at),
  );
  const sent = new Bun.CryptoHasher('sha256').update(bytes).digest('hex');
  let waits = 0;
  for (let at = 0; at < bytes.length; at += 1024 * 1024) {
    if (!inner.write(bytes.subarray(at, at + 1024 * 1024))) waits++;
  }
  inner.end();
  expect(waits).toBeGreaterThan(0);
  expect(await ended.promise).toBe(sent);
  await closed;
});

test('an answer stops while it is not wanted', async () => {
  let count = 0;
  let isWanted = false;
  const { port, accepted } = listen();
  const { inner, log, opened, closed } = connect(port, {
    received: (bytes) => {
      count += bytes.length;
      return isWanted;
    },
  });
  await opened;
  const server = await accepted;
  server.write(new Uint8Array(1000));
  await eventually(() => expect(count).toBe(1000));
  server.write(new Uint8Array(1000));
  server.end();
  await Bun.sleep(20);
  expect([count, log]).toEqual([1000, ['opened']]);
  isWanted = true;
  inner.resume();
  await closed;
  expect([count, log]).toEqual([2000, ['opened', 'answered', 'closed']]);
});

test('a connection that is destroyed after the last byte of the server is closed at once', async () => {
  const { port, accepted } = listen();
  const whole = Promise.withResolvers<number>();
  let count = 0;
  const { inner, log, opened, closed } = connect(port, {
    received: (bytes) => {
      count += bytes.length;
      return true;
    },
    answered: () => {
      inner.destroy();
      expect(inner.isConnected).toBe(false);
      whole.resolve(count);
    },
  });
  await opened;
  const server = await accepted;
  server.write(new Uint8Array(10_000));
  server.end();
  expect(await whole.promise).toBe(10_000);
  await closed;
  expect(log).toEqual(['opened', 'closed']);
});

test('a connection that the server resets is not connected any more, before its event arrives', async () => {
  const { port, accepted } = listen();
  const { inner, log, opened, closed } = connect(port);
  await opened;
  const server = await accepted;
  expect(inner.isConnected).toBe(true);
  server.terminate();
  // A busy kernel delivers the reset a moment later. This thread handles no event meanwhile.
  for (let tries = 0; tries < 1_000 && inner.isConnected; tries++) Bun.sleepSync(5);
  expect([inner.isConnected, log]).toEqual([false, ['opened']]);
  await closed;
  // The server has not said that this was its last byte.
  expect(log).toEqual(['opened', 'closed']);
});

test('a server that does not listen closes the connection', async () => {
  const { port } = listen();
  for (const stop of stops.splice(0)) stop();
  const { inner, log, closed } = connect(port);
  inner.write(Buffer.from('GET /v2/'));
  await closed;
  expect([log, inner.isConnected]).toEqual([['failed', 'closed'], false]);
});
