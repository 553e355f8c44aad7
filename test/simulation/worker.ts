// Simulations in a thread of their own.
import { simulate } from './simulate.ts';
import { liveShare, type Share } from './threads.ts';

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<Share>) => {
  const live = async (seed: number) => {
    const { violations, slots } = await simulate(seed);
    return { violations, counts: { slots } };
  };
  self.postMessage(await liveShare(data, live));
};
