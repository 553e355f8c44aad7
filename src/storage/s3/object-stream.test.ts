import { expect, test } from 'bun:test';
import type { ByteRange } from '../driver.ts';
import { type OpenBody, objectStream } from './object-stream.ts';

/** A store whose connections deliver these chunks, and then nothing until they are destroyed. */
function world(connections: readonly (readonly number[])[], lent = false) {
  const asked: ByteRange[] = [];
  const ticks: (() => void)[] = [];
  let destroyed = 0;
  const connect = async (range: ByteRange) => {
    const lengths = [...(connections[asked.length] ?? [])];
    asked.push(range);
    const gone = Promise.withResolvers<IteratorResult<Uint8Array>>();
    return {
      chunks: {
        next: async (): Promise<IteratorResult<Uint8Array>> => {
          const length = lengths.shift();
          return length === undefined ? gone.promise : { done: false, value: new Uint8Array(length) };
        },
      },
      destroy: () => {
        destroyed++;
        gone.resolve({ done: true, value: undefined });
      },
    };
  };
  const sleep = (_: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      ticks.push(resolve);
      signal.addEventListener('abort', () => resolve());
    });
  return {
    asked,
    destroyed: () => destroyed,
    stream: objectStream({ start: 0, end: 100 }, connect, { sleep }, lent),
    /** Fires the idle timers. */
    tick: async () => {
      for (const each of ticks.splice(0)) each();
      await Bun.sleep(0);
    },
  };
}

test('more bytes than requested are never passed on', async () => {
  const { asked, destroyed, stream } = world([[90, 20], [10]]);
  expect((await new Response(stream).bytes()).length).toBe(100);
  expect(asked).toEqual([
    { start: 0, end: 100 },
    { start: 90, end: 100 },
  ]);
  expect(destroyed()).toBe(1);
});

test('a silent connection is replaced by one that continues at the next byte', async () => {
  const { asked, destroyed, stream, tick } = world([[10, 20], [70]]);
  const length = new Response(stream).bytes().then((bytes) => bytes.length);
  await Bun.sleep(0);
  // The first timer may fire just after the last byte.
  await tick();
  expect(destroyed()).toBe(0);
  await tick();
  expect(await length).toBe(100);
  expect(asked).toEqual([
    { start: 0, end: 100 },
    { start: 30, end: 100 },
  ]);
});

test('a connection is kept while its reader is idle', async () => {
  const { asked, destroyed, stream, tick } = world([[40, 60]]);
  const reader = stream.getReader();
  expect((await reader.read()).value?.length).toBe(40);
  for (let n = 0; n < 5; n++) await tick();
  expect((await reader.read()).value?.length).toBe(60);
  expect((await reader.read()).done).toBe(true);
  expect({ connections: asked.length, destroyed: destroyed() }).toEqual({ connections: 1, destroyed: 0 });
});

test('cancelling drops the connection at once', async () => {
  const { destroyed, stream } = world([[10]]);
  const reader = stream.getReader();
  await reader.read();
  await reader.cancel();
  expect(destroyed()).toBe(1);
});

test.each([true, false])('a chunk is freed with the next read only if it is lent (%p)', async (lent) => {
  const { stream } = world([[10, 90]], lent);
  const reader = stream.getReader();
  const first = (await reader.read()).value;
  expect(first?.length).toBe(10);
  const second = (await reader.read()).value;
  expect(first?.length).toBe(lent ? 0 : 10);
  expect((await reader.read()).done).toBe(true);
  expect(second?.length).toBe(90);
});

test('cancelling ends an opening connection at once, and drops one that is opened all the same', async () => {
  const opening = Promise.withResolvers<OpenBody>();
  let gone: AbortSignal | undefined;
  let destroyed = 0;
  const connect = (_: ByteRange, signal: AbortSignal): Promise<OpenBody> => {
    gone = signal;
    return opening.promise;
  };
  const stream = objectStream({ start: 0, end: 10 }, connect, { sleep: () => Promise.resolve() });
  const reader = stream.getReader();
  const reading = reader.read();
  await Bun.sleep(0);
  expect(gone?.aborted).toBe(false);
  await reader.cancel();
  expect(gone?.aborted).toBe(true);
  expect((await reading).done).toBe(true);
  // It never brings a byte: nothing may wait for one.
  opening.resolve({ chunks: { next: () => new Promise(() => {}) }, destroy: () => void destroyed++ });
  await Bun.sleep(0);
  expect(destroyed).toBe(1);
});
