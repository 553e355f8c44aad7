// Many lives, on as many threads as there are cores in the smallest machine that runs them. `SIM_SEED=<n>` replays one seed and tells
// what happened; `SIM_SEEDS=<n>` and `SIM_MINUTES=<n>` run for longer.

import { MINUTE_MS } from './setting.ts';

/** Which seeds, and until when (milliseconds since 1970). */
export interface Share {
  readonly seeds: readonly number[];
  readonly until: number;
}

/** What came of them. */
export interface Findings {
  readonly ran: number;
  /** Sums, by name. */
  readonly counts: Readonly<Record<string, number>>;
  readonly failed: readonly { readonly seed: number; readonly violations: readonly string[] }[];
}

export const MINUTES = Number(process.env.SIM_MINUTES ?? 0);
const FIRST = Number(process.env.SIM_FIRST ?? 1);
const THREADS = 2;
const READY = 'ready';
/** More failures than a few say no more than those. */
const ENOUGH = 3;

/**
 * Deadline of a test that lives many seeds. No more than a guard: each life ends after a bounded number of steps, but the simulations
 * run at a low priority beside whatever else the machine does.
 */
export const LIVES_WITHIN_MS = (MINUTES > 0 ? MINUTES + 30 : 180) * MINUTE_MS;

/** @param worker the module of a thread that answers a share with findings */
export async function runLives(worker: URL, seeds: number): Promise<Findings> {
  const found = await Promise.all(Array.from({ length: THREADS }, (_, thread) => run(worker, shareOf(thread, seeds))));
  const failed = found.flatMap((each) => each.failed);
  for (const each of failed) console.log(`SIM_SEED=${each.seed}: ${each.violations.join('\n')}`);
  const counts: Record<string, number> = {};
  for (const each of found) addTo(counts, each.counts);
  return { ran: found.reduce((sum, each) => sum + each.ran, 0), counts, failed };
}

/** Without an end, other than that of time, where minutes are given. */
function shareOf(thread: number, seeds: number): Share {
  const count = MINUTES > 0 ? MINUTES * 10_000 : Math.ceil(seeds / THREADS);
  const until = MINUTES > 0 ? Date.now() + MINUTES * MINUTE_MS : Number.POSITIVE_INFINITY;
  return { seeds: Array.from({ length: count }, (_, index) => FIRST + index * THREADS + thread), until };
}

function run(url: URL, share: Share): Promise<Findings> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(url);
    worker.onmessage = ({ data }: MessageEvent<Findings | typeof READY>) => {
      if (data === READY) return worker.postMessage(share);
      worker.terminate();
      resolve(data);
    };
    worker.onerror = (event) => reject(new Error(event.message));
  });
}

function addTo(sums: Record<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
}

interface Thread {
  onmessage: ((event: MessageEvent<Share>) => void) | null;
  postMessage(message: Findings | typeof READY): void;
}

/** In the thread: lives its share. It says when it listens: what is sent to it while its modules are still loading is lost. */
export function serveLives(thread: Thread, live: Live): void {
  thread.onmessage = ({ data }) => {
    liveShare(data, live).then(
      (findings) => thread.postMessage(findings),
      (error: unknown) => {
        const violations = [error instanceof Error ? (error.stack ?? error.message) : String(error)];
        thread.postMessage({ ran: 0, counts: {}, failed: [{ seed: Number.NaN, violations }] });
      },
    );
  };
  thread.postMessage(READY);
}

type Live = (seed: number) => Promise<{ readonly violations: readonly string[]; readonly counts: Findings['counts'] }>;

async function liveShare({ seeds, until }: Share, live: Live): Promise<Findings> {
  const failed: { seed: number; violations: readonly string[] }[] = [];
  const counts: Record<string, number> = {};
  let ran = 0;
  for (const seed of seeds) {
    if (failed.length >= ENOUGH || Date.now() > until) break;
    const lived = await live(seed);
    if (lived.violations.length > 0) failed.push({ seed, violations: lived.violations });
    addTo(counts, lived.counts);
    ran++;
  }
  return { ran, counts, failed };
}
