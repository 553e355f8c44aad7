// A thread that takes turns with its rivals, and says how many it had and how often another thread was in the middle of its own.
import type { RepositoryName } from '../../src/oci/names.ts';
import { Heads } from '../../src/projection/threads/heads.ts';

export interface TurnsStart {
  readonly heads: SharedArrayBuffer;
  /** [threads that are ready, threads that have a turn] */
  readonly words: Int32Array;
  readonly threads: number;
  readonly milliseconds: number;
}

export interface TurnsEnd {
  readonly turns: number;
  readonly collisions: number;
}

declare const self: {
  onmessage: ((event: { data: TurnsStart }) => Promise<void>) | null;
  postMessage(message: TurnsEnd | 'listening'): void;
};

self.onmessage = async ({ data: { heads, words, threads, milliseconds } }) => {
  const head = new Heads(heads).of('a' as RepositoryName);
  let [turns, collisions] = [0, 0];
  Atomics.add(words, 0, 1);
  while (Atomics.load(words, 0) < threads) await Bun.sleep(0);
  const until = performance.now() + milliseconds;
  while (performance.now() < until) {
    const endTurn = await head.take();
    turns++;
    if (Atomics.add(words, 1, 1) > 0) collisions++;
    await Bun.sleep(1);
    Atomics.sub(words, 1, 1);
    endTurn();
  }
  self.postMessage({ turns, collisions });
};
// Messages that arrive while its modules load are lost.
self.postMessage('listening');
