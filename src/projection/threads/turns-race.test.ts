// Turns between real threads.
import { expect, test } from 'bun:test';
import type { TurnsEnd, TurnsStart } from '../../../test/support/turns-worker.ts';
import { Heads } from './heads.ts';

const MILLISECONDS = 1_500;

async function race(threads: number): Promise<TurnsEnd[]> {
  const start: TurnsStart = {
    heads: Heads.allocate(),
    words: new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)),
    threads,
    milliseconds: MILLISECONDS,
  };
  const url = new URL('../../../test/support/turns-worker.ts', import.meta.url);
  return await Promise.all(
    Array.from({ length: threads }, async () => {
      const worker = new Worker(url);
      const { promise, resolve, reject } = Promise.withResolvers<TurnsEnd>();
      worker.onmessage = ({ data }: MessageEvent<TurnsEnd | 'listening'>) => {
        if (data === 'listening') worker.postMessage(start);
        else resolve(data);
      };
      worker.onerror = ({ message }) => reject(new Error(message));
      try {
        return await promise;
      } finally {
        worker.terminate();
      }
    }),
  );
}

test('threads have turns one after another, and each has its share', async () => {
  const ends = await race(4);
  const turns = ends.map((end) => end.turns);
  expect(ends.map(({ collisions }) => collisions)).toEqual([0, 0, 0, 0]);
  expect(Math.min(...turns)).toBeGreaterThan(Math.max(...turns) / 2);
  console.log(`turns of each thread: ${turns.join(', ')}`);
});
