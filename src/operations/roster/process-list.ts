import type { ProcessFacts, ProcessState } from '../interface.ts';
import type { Announcement } from './announcement.ts';
import type { Presence } from './presence.ts';
import type { Listed } from './roster.ts';

/** How long a process that announces itself every five seconds must be silent to be `late`, and `gone`, in milliseconds. */
const LATE_MS = 15_000;
const GONE_MS = 60_000;
/** How far clocks may differ. */
const CLOCKS_DIFFER_MS = 10_000;

/** This process, and the others of the list, in the order of roles and names. @param now milliseconds since 1970 */
export function processesOf(
  own: Pick<Presence, 'id' | 'about'>,
  listed: readonly Listed<Announcement>[],
  now: number,
): ProcessFacts[] {
  const others = listed.filter(({ id }) => id !== own.id);
  const abouts = [own.about, ...others.map(({ about }) => about)];
  const left = others.filter((each) => !isReplaced(each, abouts, now));
  return [
    { ...factsOf({ id: own.id, silentFor: 0, about: own.about }), isThis: true },
    ...left.map((each) => ({ ...factsOf(each), isThis: false })),
  ].sort(
    (one, other) =>
      compare(one.role, other.role) || compare(one.name, other.name) || compare(one.startedAt, other.startedAt),
  );
}

function factsOf({ id, silentFor, about }: Listed<Announcement>): Omit<ProcessFacts, 'isThis'> {
  const { started, isDraining, address, rules, ...rest } = about;
  return { id, ...rest, address, rules, startedAt: started, silentFor, state: stateOf(silentFor, isDraining) };
}

function stateOf(silentFor: number, isDraining: boolean): ProcessState {
  if (silentFor >= GONE_MS) return 'gone';
  if (silentFor >= LATE_MS) return 'late';
  return isDraining ? 'draining' : 'alive';
}

/** Whether a process that was killed was started again: one of the same name began after it was heard last. */
function isReplaced({ silentFor, about }: Listed<Announcement>, abouts: readonly Announcement[], now: number): boolean {
  if (silentFor < LATE_MS) return false;
  const heard = now - silentFor - CLOCKS_DIFFER_MS;
  return abouts.some(
    (each) => each !== about && each.name === about.name && each.role === about.role && each.started > heard,
  );
}

function compare<T extends string | number>(one: T, other: T): number {
  if (one < other) return -1;
  return one > other ? 1 : 0;
}
