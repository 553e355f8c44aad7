import type { Caller } from '../../access/access.ts';
import type { Tag } from '../../oci/names.ts';
import type { RecentChange } from '../../past/interface.ts';
import { secondOf, type TimeMoment } from '../../past/moment.ts';
import type { Reference } from '../../registry/interface.ts';
import type { PastPlace } from '../addresses.ts';
import type { Sources } from './sources.ts';

/** How to go from one moment of a repository, or of a tag in it, to others. */
export interface Travel {
  readonly place: PastPlace;
  readonly reference: Reference | undefined;
  /** The last slot at or before the moment; 0: before the first. */
  readonly seq: number;
  /** What changed around the moment, oldest first. */
  readonly marks: readonly RecentChange[];
  /** The moments at which it was another one before, and is another one afterwards. */
  readonly earlier: TimeMoment | undefined;
  readonly later: TimeMoment | undefined;
}

/** Slots after the moment that are looked at, and changes that are shown. */
const SLOTS_AFTER = 256;
const MAX_MARKS = 300;

/** @param seq the last slot at or before the moment */
export async function loadTravel(
  { place, reference, seq }: Pick<Travel, 'place' | 'reference' | 'seq'>,
  caller: Caller,
  { history }: Pick<Sources, 'history'>,
): Promise<Travel> {
  const page = { before: seq + SLOTS_AFTER, limit: MAX_MARKS };
  const { changes } = await history.recentChanges(place.repo, page, caller);
  const tag = reference?.kind === 'tag' ? reference.tag : undefined;
  const marks = changes.filter((change) => tag === undefined || concerns(change, tag)).reverse();
  return { place, reference, seq, marks, ...stepsOf(marks, place.at) };
}

function concerns(change: RecentChange, tag: Tag): boolean {
  return change.kind === 'repository-deleted' || ('tag' in change && change.tag === tag);
}

/** The seconds in which something changed, before and after the one whose result is shown. Pure. */
export function stepsOf(
  marks: readonly Pick<RecentChange, 'at'>[],
  { until }: TimeMoment,
): Pick<Travel, 'earlier' | 'later'> {
  const seconds = [...new Set(marks.map(({ at }) => secondOf(at).until))].sort((one, other) => one - other);
  const shown = seconds.findLastIndex((second) => second <= until);
  return { earlier: momentAt(shown < 0 ? undefined : seconds[shown - 1]), later: momentAt(seconds[shown + 1]) };
}

function momentAt(until: number | undefined): TimeMoment | undefined {
  return until === undefined ? undefined : { kind: 'time', until };
}
