import type { Random } from '../random.ts';
import { HOUR_MS, MINUTE_MS, type Setting } from '../setting.ts';

/**
 * The limits of the protocol: clocks differ by a quarter of the grace (docs/decisions/0015), and by an hour at most. With a
 * short grace, a process that pauses for an hour pauses for longer than the grace.
 */
export function settingOf(random: Random): Setting {
  const grace = Number(random.weighted({ [20 * MINUTE_MS]: 3, [HOUR_MS]: 3, [4 * HOUR_MS]: 2, [24 * HOUR_MS]: 2 }));
  const views = random.chance(0.1) ? 'redis' : 'memory';
  return {
    ...{ views, grace },
    store: random.chance(views === 'redis' ? 0.3 : 0.02) ? 's3' : 'objects',
    uploadExpiry: random.pick([grace / 2, grace, 3 * grace, 7 * 24 * HOUR_MS]),
    ...clocks(Math.min(HOUR_MS, grace / 4)),
  };
}

/** Clocks that differ by at most that much, and often by exactly that. */
export function clocks(skew: number): Pick<Setting, 'skew' | 'clock'> {
  return {
    skew,
    clock: (random) => (random.chance(0.6) ? random.pick([-skew / 2, skew / 2]) : random.between(-skew / 2, skew / 2)),
  };
}
