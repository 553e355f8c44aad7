// Runs many seeds on two threads. `SIM_SEED=<n>` replays one seed with notes on what happened; `SIM_SEEDS=<n>` and `SIM_MINUTES=<n>` run for longer.

import { MINUTE_MS } from './setting.ts';

/** Which seeds to run, and until when (milliseconds since 1970). */
export interface Share {
  readonly seeds: readonly number[];
  readonly until: number;
}

/** The results of a share. */
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
/** A thread stops after this many failures. */
const MAX_FAILURES = 3;

/**
 * Deadline of a test that runs many seeds. It only guards against hanging: each run has a bounded number of steps, but the simulations
 * run at low priority beside other load.
 */
export const SEEDS_WITHIN_MS = (MINUTES > 0 ? MINUTES + 30 : 180) * MINUTE_MS;

/** @param worker the module of the threads */
export async function runSeeds(worker: URL, seeds: number): Promise<Findings> {
  const found = await Promise.all(Array.from({ length: THREADS }, (_, thread) => run(worker, shareOf(thread, seeds))));
  const failed = found.flatMap((each) => each.failed);
  for (const each of failed) console.log(`SIM_SEED=${each.seed}: ${each.violations.join('\n')}`);
  const counts: Record<string, number> = {};
  for (const each of found) addTo(counts, each.counts);
  return { ran: found.reduce((sum, each) => sum + each.ran, 0), counts, failed };
}

/** With SIM_MINUTES, limited by time only. */
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

/** In the thread: runs its share. It announces that it is listening, because messages that arrive while its modules load are lost. */
export function serveSeeds(thread: Thread, live: RunSeed): void {
  thread.onmessage = ({ data }) => {
    runShare(data, live).then(
      (findings) => thread.postMessage(findings),
      (error: unknown) => {
        const violations = [error instanceof Error ? (error.stack ?? error.message) : String(error)];
        thread.postMessage({ ran: 0, counts: {}, failed: [{ seed: Number.NaN, violations }] });
      },
    );
  };
  thread.postMessage(READY);
}

type RunSeed = (
  seed: number,
) => Promise<{ readonly violations: readonly string[]; readonly counts: Findings['counts'] }>;

async function runShare({ seeds, until }: Share, live: RunSeed): Promise<Findings> {
  const failed: { seed: number; violations: readonly string[] }[] = [];
  const counts: Record<string, number> = {};
  let ran = 0;
  for (const seed of seeds) {
    if (failed.length >= MAX_FAILURES || Date.now() > until) break;
    const lived = await live(seed);
    if (lived.violations.length > 0) failed.push({ seed, violations: lived.violations });
    addTo(counts, lived.counts);
    ran++;
  }
  return { ran, counts, failed };
}
