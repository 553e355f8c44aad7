/**
 * Checks every log, and what clients observed, for these guarantees:
 * I1 an acknowledged write survives;
 * I3 slots never change, are contiguous from 1, and carry the hash of the previous slot;
 * I4 bytes behind a live link are never deleted;
 * I5 every node serves what any node has acknowledged;
 * I6 linked bytes match their digest.
 */
import { type Batch, decodeBatch, hashSlot, type JournalEvent } from '../../src/journal/events.ts';
import { RepositoryState } from '../../src/journal/fold.ts';
import { algorithmOf, digestOf } from '../../src/oci/digest.ts';
import type { Digest, Incarnation, RepositoryName } from '../../src/oci/names.ts';
import { dataKey, logPrefix, slotKey } from '../../src/storage/paths.ts';
import type { History, Observation, PastState } from './history.ts';
import type { Objects } from './objects.ts';
import type { World } from './world.ts';

/** A repository after one event of its log. */
interface LogState {
  readonly state: PastState;
  /** The scheduler's step at which the slot was written. */
  readonly since: number;
  /** Whether readers can see it: at the end of a slot. */
  readonly isVisible: boolean;
  /** The label in the actor of the event. */
  readonly label: string | undefined;
}

export interface CheckedLog {
  readonly state: RepositoryState;
  readonly states: readonly LogState[];
}

/** Checks I1, I3, and that no tag is torn: reads the whole log, slot by slot. */
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
  readonly states: LogState[] = [{ state: copyOf(this.state), since: -1, isVisible: true, label: undefined }];
  readonly #repo: RepositoryName;
  readonly #history: History;

  constructor(repo: RepositoryName, history: History) {
    this.#repo = repo;
    this.#history = history;
  }

  /**
   * Adds the next slot.
   * @param since the scheduler's step
   * @param observe called with the batch before it is folded
   */
  add(bytes: Uint8Array | undefined, since: number, observe?: (batch: Batch) => void): Batch | undefined {
    const { state } = this;
    const seq = state.seq + 1;
    const decoded = bytes === undefined ? { problem: 'it is missing' } : decodeBatch(bytes);
    if ('problem' in decoded || bytes === undefined) {
      this.#history.violated(`slot ${seq} of ${this.#repo}: ${'problem' in decoded ? decoded.problem : ''}`);
      return undefined;
    }
    const { batch } = decoded;
    if (batch.prev !== state.hash || batch.seq !== seq) {
      this.#history.violated(`slot ${seq} of ${this.#repo} does not follow the previous one`);
    }
    observe?.(batch);
    applyEventByEvent(state, batch, hashSlot(bytes), since, this.states);
    checkReferences(this.#history, this.#repo, seq, state);
    return batch;
  }
}

function applyEventByEvent(
  state: RepositoryState,
  batch: Batch,
  hash: string,
  since: number,
  states: LogState[],
): void {
  const { seq, events } = batch;
  for (const [index, event] of events.entries()) {
    const isVisible = index === events.length - 1;
    // As if the batch had no other event.
    state.seq = seq - 1;
    state.hash = batch.prev;
    state.apply({ ...batch, events: [event] }, hash);
    states.push({ state: copyOf(state), since, isVisible, label: labelOf(event) });
  }
}

function labelOf(event: JournalEvent): string | undefined {
  return event.actor;
}

function copyOf({ seq, exists, tags, blobs, manifests }: RepositoryState): PastState {
  return { seq, exists, tags: new Map(tags), blobs: new Map(blobs), manifests: new Map(manifests) };
}

function checkReferences(history: History, repo: RepositoryName, seq: number, state: RepositoryState): void {
  for (const [tag, digest] of state.tags) {
    if (!state.manifests.has(digest)) history.violated(`${repo} at ${seq}: tag ${tag} points to no manifest`);
  }
  for (const [digest, { refs }] of state.manifests) {
    for (const ref of refs) {
      if (!state.blobs.has(ref))
        history.violated(`${repo} at ${seq}: manifest ${digest} refers to the absent blob ${ref}`);
    }
  }
}

/** I4 and I6: the bytes of each live link exist and match the digest. */
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
 * I1 and I5: an acknowledged write is in the log, and every later read shows the repository as of that write or a later one. So an
 * answer must be true of some state between the newest write acknowledged before the request and the answer itself.
 * @param isMonotonic also between what any earlier answer showed and the answer itself
 */
export function checkObservations(
  history: History,
  repo: RepositoryName,
  { states }: CheckedLog,
  isMonotonic = false,
): void {
  const acknowledged: { readonly end: number; readonly index: number }[] = [];
  const inOrder = history.observations.filter((each) => each.repo === repo).sort((a, b) => a.end - b.end);
  for (const observation of inOrder) {
    const from = acknowledged.reduce(
      (newest, { end, index }) => (end < observation.begin ? Math.max(newest, index) : newest),
      0,
    );
    const index = firstTrueState(observation, states, from);
    if (index === undefined) {
      history.violated(`the answer to ${observation.what} in ${repo} is true of no state after ${from}`);
    } else if (observation.kind === 'write' || isMonotonic) acknowledged.push({ end: observation.end, index });
  }
}

/** The index of the first state of which the observation can be true. */
function firstTrueState(observation: Observation, states: readonly LogState[], from: number): number | undefined {
  const { heldBefore = () => true } = observation;
  const own = observation.kind === 'write' ? states.findLastIndex(({ label }) => label === observation.label) : -1;
  if (own >= 0) {
    const before = states[states.findIndex(({ label }) => label === observation.label) - 1];
    if (before !== undefined && !heldBefore(before.state)) return undefined;
    return (states[own]?.since ?? 0) <= observation.end ? own : undefined;
  }
  if (observation.hasEvents === true) return undefined;
  for (let index = from; index < states.length; index++) {
    const candidate = states[index];
    if (candidate === undefined || candidate.since > observation.end) break;
    const isTrue = observation.holds(candidate.state) && heldBefore(candidate.state);
    if ((observation.kind === 'write' || candidate.isVisible) && isTrue) return index;
  }
  return undefined;
}
