// Simulations in a thread of their own.
import { simulate } from './simulate.ts';

/** Which seeds, both ends included, and until when (milliseconds since 1970). */
export interface Share {
  readonly seeds: readonly number[];
  readonly until: number;
}

export interface Findings {
  readonly ran: number;
  readonly slots: number;
  readonly failed: readonly { readonly seed: number; readonly violations: readonly string[] }[];
}

/** More than a few say no more than those. */
const ENOUGH = 3;

declare const self: Worker;

self.onmessage = async ({ data }: MessageEvent<Share>) => {
  const failed: { seed: number; violations: readonly string[] }[] = [];
  let [ran, slots] = [0, 0];
  for (const seed of data.seeds) {
    if (failed.length >= ENOUGH || Date.now() > data.until) break;
    const simulated = await simulate(seed);
    if (simulated.violations.length > 0) failed.push({ seed, violations: simulated.violations });
    ran++;
    slots += simulated.slots;
  }
  self.postMessage({ ran, slots, failed } satisfies Findings);
};
