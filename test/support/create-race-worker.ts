// A thread that creates the same objects as its rivals, and says which of them it won.
import type { Key } from '../../src/storage/driver.ts';
import { openThreadDriver } from './folder-owner.ts';

export interface RaceStart {
  readonly port: MessagePort;
  readonly keys: readonly Key[];
  readonly bytes: Uint8Array;
  /** Counted up by each thread that is ready; the race begins when all are. */
  readonly ready: Int32Array;
  readonly threads: number;
}

declare const self: {
  onmessage: ((event: { data: RaceStart }) => Promise<void>) | null;
  postMessage(won: readonly Key[]): void;
};

self.onmessage = async ({ data: { port, keys, bytes, ready, threads } }) => {
  const driver = await openThreadDriver(port);
  Atomics.add(ready, 0, 1);
  while (Atomics.load(ready, 0) < threads) await Bun.sleep(0);
  const results = await Promise.all(keys.map((key) => driver.create(key, bytes, [{ settle: () => Bun.sleep(0) }])));
  await driver.close();
  self.postMessage(keys.filter((_, index) => results[index] === 'created'));
};
