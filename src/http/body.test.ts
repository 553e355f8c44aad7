import { describe, expect, test } from 'bun:test';
import { connect, type Socket } from 'node:net';
import fc from 'fast-check';
import { breaking, sent, stalling } from '../../test/support/bodies.ts';
import { chunkLists } from '../../test/support/generators.ts';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import { readAll } from '../registry/upload-body.ts';
import { contentLength, uploadBody } from './body.ts';

const PATIENT = { idle: 10_000, minRate: 0 };
const chunked = { 'transfer-encoding': 'chunked' };
const two = [new Uint8Array([1, 2]), new Uint8Array([3])];

describe('Content-Length', () => {
  const request = (headers: Record<string, string>): Request => new Request('http://registry.example/', { headers });

  test('is a number, 0 without any body, and unknown for a chunked one', () => {
    expect(contentLength(request({ 'content-length': '12' }))).toBe(12);
    expect(contentLength(request({}))).toBe(0);
    expect(contentLength(request(chunked))).toBeUndefined();
  });

  test.each(['-1', '1.5', '1e3', '0x10', 'x', '1, 1', '9'.repeat(16)])('of %j is refused', (text) => {
    expect(() => contentLength(request({ 'content-length': text }))).toThrow(RegistryError);
  });
});

describe('the body of an upload', () => {
  test('arrives unchanged and counted, however it is split', async () => {
    await fc.assert(
      fc.asyncProperty(chunkLists, fc.boolean(), async (chunks, announced) => {
        const whole = Buffer.concat(chunks);
        const { context, keptOpen } = sent(chunks, announced ? { 'content-length': String(whole.length) } : chunked);
        expect(Buffer.from(await readAll(uploadBody(context, undefined, PATIENT)))).toEqual(whole);
        expect(context.stats.received).toBe(whole.length);
        expect(keptOpen()).toBe(!announced || whole.length > 0);
      }),
    );
  });

  test('has the length of Content-Range if there is no Content-Length', () => {
    expect(uploadBody(sent(two, chunked).context, 7, PATIENT).length).toBe(7);
    expect(uploadBody(sent(two, { 'content-length': '3' }).context, 7, PATIENT).length).toBe(3);
    expect(uploadBody(sent(two, chunked).context, undefined, PATIENT).length).toBeUndefined();
  });

  test('that breaks off fails after the bytes that arrived', async () => {
    const body = uploadBody(sent(breaking(...two), chunked).context, undefined, PATIENT);
    const came: Uint8Array[] = [];
    for await (const chunk of body.chunks()) came.push(chunk);
    expect(came).toEqual(two);
    expect(body.broken?.kind).toBe('upload-interrupted');
  });

  test('that stalls fails after the idle time', async () => {
    const { context, cancelled } = sent(stalling(...two), chunked);
    const body = uploadBody(context, undefined, { idle: 30, minRate: 0 });
    const came: Uint8Array[] = [];
    for await (const chunk of body.chunks()) came.push(chunk);
    expect(came).toEqual(two);
    expect([body.broken?.kind, cancelled()]).toEqual(['upload-stalled', true]);
  });

  test('is not aborted while the server keeps the client waiting', async () => {
    const { context } = sent([...two, ...two, ...two], chunked);
    const body = uploadBody(context, undefined, { idle: 30, minRate: 1_000_000 });
    let came = 0;
    for await (const chunk of body.chunks()) {
      came += chunk.length;
      await Bun.sleep(60);
    }
    expect([came, body.broken]).toEqual([9, undefined]);
  });

  test('that stalls after the server kept the client waiting gets the whole idle time', async () => {
    const { context } = sent(stalling(...two), chunked);
    const body = uploadBody(context, undefined, { idle: 80, minRate: 0 });
    let resumed = 0;
    for await (const _ of body.chunks()) {
      await Bun.sleep(60);
      resumed = performance.now();
    }
    expect(body.broken?.kind).toBe('upload-stalled');
    expect(performance.now() - resumed).toBeGreaterThan(75);
  });

  test('that arrived in time is accepted, even if the thread was busy for longer than the idle time', async () => {
    async function* late(): AsyncIterable<Uint8Array> {
      yield* two;
      // The bytes arrive while the thread is busy, so the timer and the bytes are due in the same turn of the event loop.
      await Promise.all([Bun.sleep(31), Bun.sleep(1).then(() => Bun.sleepSync(60))]);
      yield* two;
    }
    const { context } = sent(late(), chunked);
    const body = uploadBody(context, undefined, { idle: 30, minRate: 0 });
    expect((await readAll(body)).length).toBe(6);
  });

  test.each<[string, number, ErrorKind | undefined]>([
    ['slower than the minimum rate is aborted', 2_000, 'upload-stalled'],
    // A busy machine may make the client slow.
    ['at the minimum rate continues', 10, undefined],
    ['at any rate continues if there is no minimum', 0, undefined],
  ])('that arrives %s', async (_, minRate, expected) => {
    async function* trickle(): AsyncIterable<Uint8Array> {
      for (let i = 0; i < 20; i++) {
        yield new Uint8Array(10);
        await Bun.sleep(10);
      }
    }
    const body = uploadBody(sent(trickle(), chunked).context, undefined, { idle: 60, minRate });
    let came = 0;
    for await (const chunk of body.chunks()) came += chunk.length;
    expect(body.broken?.kind).toBe(expected);
    if (expected === undefined) expect(came).toBe(200);
    else expect(came).toBeLessThan(150);
  });

  test('that is not read to its end is cancelled', async () => {
    const { context, cancelled } = sent(stalling(...two), chunked);
    for await (const _ of uploadBody(context, undefined, PATIENT).chunks()) break;
    expect(cancelled()).toBe(true);
  });
});

describe('the body of an upload through a socket', () => {
  const pace = { idle: 150, minRate: 0 };

  /** Sends a head, then what `send` writes, to a server that pauses after each of the first chunks. */
  async function exchanged(pauses: readonly number[], send: (socket: Socket) => Promise<void>) {
    let outcome: { readonly came: number; readonly broken: ErrorKind | undefined } | undefined;
    const server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      async fetch(request) {
        const { context } = sent([]);
        const body = uploadBody({ ...context, request }, undefined, pace);
        const left = [...pauses];
        let came = 0;
        for await (const chunk of body.chunks()) {
          came += chunk.length;
          await Bun.sleep(left.shift() ?? 0);
        }
        outcome = { came, broken: body.broken?.kind };
        return new Response('done');
      },
    });
    const socket = connect(server.port ?? 0, '127.0.0.1');
    const answered = new Promise((resolve) => socket.once('data', resolve));
    await send(socket);
    await answered;
    socket.destroy();
    await server.stop(true);
    return outcome;
  }

  test('that keeps arriving is complete, however long the server pauses', async () => {
    const size = 40 * 1024 * 1024;
    const outcome = await exchanged([400, 400], async (socket) => {
      socket.write(`PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
      socket.write(new Uint8Array(size));
    });
    expect(outcome).toEqual({ came: size, broken: undefined });
  });

  test('of which only half arrived while the server paused is aborted', async () => {
    const outcome = await exchanged([400, 400], async (socket) => {
      socket.write('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\nhello');
      await Bun.sleep(100);
      socket.write('hello');
    });
    expect(outcome).toEqual({ came: 10, broken: 'upload-stalled' });
  });
});
