import { CRASH_POINTS, type CrashPoint } from '../../../src/storage/crash-points.ts';
import type { Random } from '../../support/drill/random.ts';

/** How one life of the server ends. */
export type Ending =
  /** By itself, when it reaches a named step for the count-th time. */
  | { readonly kind: 'step'; readonly point: CrashPoint; readonly count: number }
  /** By a signal, so many milliseconds after the load began. */
  | { readonly kind: 'moment'; readonly milliseconds: number };

/** What a start already takes of each step: 32 contenders create one object to prove the store, and one of them wins. */
const AT_START: Partial<Record<CrashPoint, number>> = {
  'create.before-write': 32,
  'create.before-sync': 32,
  'create.before-link': 32,
  'create.before-folder-sync': 1,
  'create.after-folder-sync': 1,
};
/** How often a step is reached under load before the kill. */
const COUNTS = [1, 2, 3, 5, 8, 20] as const;
const MOMENTS = 130;

/** Every step with several counts, within the start too, and random moments; in an order that the seed decides. */
export function makePlan(random: Random): Ending[] {
  const steps = CRASH_POINTS.flatMap((point): Ending[] => {
    const start = AT_START[point] ?? 0;
    const counts = COUNTS.map((count) => start + count);
    return [...(start > 0 ? [start] : []), ...counts].map((count) => ({ kind: 'step', point, count }));
  });
  const moments = Array.from({ length: MOMENTS }, (): Ending => {
    return { kind: 'moment', milliseconds: random.between(0, 300) };
  });
  return random.shuffled([...steps, ...moments]);
}

export function describe(ending: Ending): string {
  return ending.kind === 'step' ? `${ending.point}:${ending.count}` : `SIGKILL after ${ending.milliseconds} ms of load`;
}
