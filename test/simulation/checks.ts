// What must be true of every log, and of what clients observed (DESIGN 1).
import { type Batch, decodeBatch, hashSlot, type JournalEvent } from '../../src/journal/events.ts';
import { RepositoryState } from '../../src/journal/fold.ts';
import { algorithmOf, digestOf } from '../../src/oci/digest.ts';
import type { Digest, Incarnation, RepositoryName } from '../../src/oci/names.ts';
import { dataKey, logPrefix, slotKey } from '../../src/storage/paths.ts';
import type { History, Observation, Past } from './history.ts';
import type { Objects } from './objects.ts';
import type { World } from './world.ts';

/** A repository after each single event of its log. */
interface Moment {
  readonly past: Past;
  /** The scheduler's step at which the slot was written. */
  readonly since: number;
  /** Whether it is what readers see: the end of a slot. */
  readonly isVisible: boolean;
  /** How the event is signed that led here. */
  readonly label: string | undefined;
}

export interface CheckedLog {
  readonly state: RepositoryState;
  readonly moments: readonly Moment[];
}

/** I1, I3, and that no tag is ever torn: reads the whole log, slot by slot. */
export function checkLog({ objects, history }: World, repo: RepositoryName): CheckedLog {
  const log = new GrowingLog(repo, history);
  const keys = objects.below(logPrefix(repo));
  for (let seq = 1; seq <= keys.length; seq++) {
    const key = slotKey(repo, seq);
    if (log.add(objects.get(key), objects.madeAt(key)) === undefined) break;
  }
  return log;
}

/** A log, checked slot by slot. */
export class GrowingLog implements CheckedLog {
  readonly state = new RepositoryState();
  readonly moments: Moment[] = [{ past: copyOf(this.state), since: -1, isVisible: true, label: undefined }];
  readonly #repo: RepositoryName;
  readonly #history: History;

  constructor(repo: RepositoryName, history: History) {
    this.#repo = repo;
    this.#history = history;
  }

  /**
   * The next slot.
   * @param since the scheduler's step
   * @param look is given the batch before it is folded
   */
  add(bytes: Uint8Array | undefined, since: number, look?: (batch: Batch) => void): Batch | undefined {
    const { state } = this;
    const seq = state.seq + 1;
    const decoded = bytes === undefined ? { problem: 'it is absent' } : decodeBatch(bytes);
    if ('problem' in decoded || bytes === undefined) {
      this.#history.violated(`slot ${seq} of ${this.#repo}: ${'problem' in decoded ? decoded.problem : ''}`);
      return undefined;
    }
    const { batch } = decoded;
    if (batch.prev !== state.hash || batch.seq !== seq) {
      this.#history.violated(`slot ${seq} of ${this.#repo} does not follow`);
    }
    look?.(batch);
    applyEventByEvent(state, batch, hashSlot(bytes), since, this.moments);
    checkReferences(this.#history, this.#repo, seq, state);
    return batch;
  }
}

function applyEventByEvent(state: RepositoryState, batch: Batch, hash: string, since: number, moments: Moment[]): void {
  const { seq, events } = batch;
  for (const [index, event] of events.entries()) {
    const isVisible = index === events.length - 1;
    // As if the batch had no other one.
    state.seq = seq - 1;
    state.hash = batch.prev;
    state.apply({ ...batch, events: [event] }, hash);
    moments.push({ past: copyOf(state), since, isVisible, label: labelOf(event) });
  }
}

function labelOf(event: JournalEvent): string | undefined {
  return event.actor;
}

function copyOf({ seq, exists, tags, blobs, manifests }: RepositoryState): Past {
  return { seq, exists, tags: new Map(tags), blobs: new Map(blobs), manifests: new Map(manifests) };
}

function checkReferences(history: History, repo: RepositoryName, seq: number, state: RepositoryState): void {
  for (const [tag, digest] of state.tags) {
    if (!state.manifests.has(digest)) history.violated(`${repo} at ${seq}: tag ${tag} points to nothing`);
  }
  for (const [digest, { refs }] of state.manifests) {
    for (const ref of refs) {
      if (!state.blobs.has(ref)) history.violated(`${repo} at ${seq}: manifest ${digest} refers to no blob ${ref}`);
    }
  }
}

/** I4 and I6: behind each live link are the bytes that the digest says. */
export function checkBytes(
  { objects, history }: { readonly objects: Objects; readonly history: History },
  repo: RepositoryName,
  { state }: CheckedLog,
): void {
  const check = (digest: Digest, inc: Incarnation): void => {
    const bytes = objects.get(dataKey(inc));
    if (bytes === undefined) history.violated(`${repo}: the bytes of ${digest} are gone`);
    else if (digestOf(algorithmOf(digest), bytes) !== digest) {
      history.violated(`${repo}: ${digest} has the bytes ${Buffer.from(bytes).toString()}`);
    }
  };
  for (const [digest, { inc }] of state.blobs) check(digest, inc);
  for (const [digest, { inc }] of state.manifests) check(digest, inc);
}

/**
 * I1 and I5: an acknowledged write is in the log, and every later read shows the repository as of that write or a later one: an
 * answer is true at some moment between the newest write acknowledged before the request, and the answer itself.
 */
export function checkObservations(history: History, repo: RepositoryName, { moments }: CheckedLog): void {
  const acknowledged: { readonly end: number; readonly moment: number }[] = [];
  const inOrder = history.observations.filter((each) => each.repo === repo).sort((a, b) => a.end - b.end);
  for (const observation of inOrder) {
    const from = acknowledged.reduce(
      (newest, { end, moment }) => (end < observation.begin ? Math.max(newest, moment) : newest),
      0,
    );
    const moment = momentOf(observation, moments, from);
    if (moment === undefined) {
      history.violated(`the answer to ${observation.what} in ${repo} is not true at any moment after ${from}`);
    } else if (observation.kind === 'write') acknowledged.push({ end: observation.end, moment });
  }
}

/** The first moment at which it can be true. */
function momentOf(observation: Observation, moments: readonly Moment[], from: number): number | undefined {
  const own = observation.kind === 'write' ? moments.findLastIndex(({ label }) => label === observation.label) : -1;
  if (own >= 0) return (moments[own]?.since ?? 0) <= observation.end ? own : undefined;
  if (observation.hasEvents === true) return undefined;
  for (let index = from; index < moments.length; index++) {
    const moment = moments[index];
    if (moment === undefined || moment.since > observation.end) break;
    if ((observation.kind === 'write' || moment.isVisible) && observation.holds(moment.past)) return index;
  }
  return undefined;
}
