import { CRASH_POINTS, type CrashPoint } from '../../../src/storage/crash-points.ts';
import type { Random } from '../../support/drill/random.ts';

/** The end of one life of the server. */
export type Ending =
  /** At a crash point: when the server reaches a named step for the `count`-th time. */
  | { readonly kind: 'step'; readonly point: CrashPoint; readonly count: number }
  /** By a signal, `milliseconds` after the load began. */
  | { readonly kind: 'moment'; readonly milliseconds: number };

/** How often a start already passes each step: 32 contenders create one object to probe the store, and one of them wins. */
const AT_START: Partial<Record<CrashPoint, number>> = {
  'create.before-write': 32,
  'create.before-sync': 32,
  'create.before-link': 32,
  'create.before-folder-sync': 1,
  'create.after-folder-sync': 1,
};
/** DRILL_FORM=long kills more often. */
const isLong = process.env.DRILL_FORM === 'long';
/** The counts at which a step under load kills the server. */
const COUNTS = isLong ? [1, 2, 3, 5, 8, 20] : [1, 3, 8, 20];
const RANDOM_KILLS = isLong ? 130 : 60;
/** What a run must have reached at least: kills at each step, at random moments, and in all; objects that power cuts affected. */
export const LEAST = isLong
  ? { atEachStep: 6, atMoments: 100, inAll: 200, affected: 500 }
  : { atEachStep: 4, atMoments: 50, inAll: 110, affected: 200 };

/** Every step with several counts, including during the start, and random moments, in an order drawn from the seed. */
export function makePlan(random: Random): Ending[] {
  const steps = CRASH_POINTS.flatMap((point): Ending[] => {
    const start = AT_START[point] ?? 0;
    const counts = COUNTS.map((count) => start + count);
    return [...(start > 0 ? [start] : []), ...counts].map((count) => ({ kind: 'step', point, count }));
  });
  const moments = Array.from({ length: RANDOM_KILLS }, (): Ending => {
    return { kind: 'moment', milliseconds: random.between(0, 300) };
  });
  return random.shuffled([...steps, ...moments]);
}

export function describe(ending: Ending): string {
  return ending.kind === 'step' ? `${ending.point}:${ending.count}` : `SIGKILL after ${ending.milliseconds} ms of load`;
}
