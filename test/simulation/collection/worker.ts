// Collections in a thread of their own.
import { liveShare, type Share } from '../threads.ts';
import { simulateCollection } from './life.ts';

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<Share>) => {
  const live = async (seed: number) => {
    const { violations, counts } = await simulateCollection(seed);
    return { violations, counts: { ...counts } };
  };
  self.postMessage(await liveShare(data, live));
};
