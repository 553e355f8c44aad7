import type { Batch, JournalEvent } from '../../journal/events.ts';
import { RepositoryState } from '../../journal/fold.ts';
import { applySlot, READ_AHEAD, slotsAfter } from '../../journal/log.ts';
import { PendingFacts } from '../../journal/pending.ts';
import type { RepositoryFacts } from '../../journal/state.ts';
import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';
import type { StoreReader } from '../../storage/driver.ts';
import { Closure, knownOf } from './closure.ts';

/** The thing to restore. */
export type Thing = { readonly kind: 'tag'; readonly tag: Tag } | { readonly kind: 'digest'; readonly digest: Digest };

/** The moment: after a slot, or at a time (milliseconds, inclusive). */
export type When = { readonly kind: 'slot'; readonly seq: number } | { readonly kind: 'time'; readonly until: number };

/** A tag or manifest as it was at one moment of the log. */
export interface Moment {
  readonly seq: number;
  /** Time of that slot, ISO 8601. */
  readonly time: string;
  /** `before`: that slot deleted it. */
  readonly side: 'before' | 'after';
  readonly digest: Digest;
  /** Tags that pointed to it at that moment. If the thing is a tag, only this one. */
  readonly tags: readonly Tag[];
  /** The manifest with everything it refers to, as far as the repository had it then. */
  readonly closure: Closure;
}

export interface Past {
  /** The repository at the end of its log. Its seq is 0 if there is no log. */
  readonly head: RepositoryState;
  /** undefined if the thing never existed, or not at that moment. */
  readonly moment: Moment | undefined;
}

/**
 * Reads a whole log and finds the thing as it was at the given moment; without one, just before it was last deleted, or as it is
 * now.
 * @throws RegistryError `log-broken`
 */
export async function readPast(
  reader: StoreReader,
  repo: RepositoryName,
  thing: Thing,
  when: When | undefined,
): Promise<Past> {
  const head = new RepositoryState();
  let moment: Moment | undefined;
  let last: Batch | undefined;
  let isOver = false;
  const take = (facts: RepositoryFacts, batch: Batch | undefined, side: Moment['side']): void => {
    if (batch !== undefined) moment = momentOf(thing, facts, batch, side);
  };
  for await (const slot of slotsAfter(reader, repo, 0, READ_AHEAD)) {
    const { batch } = slot;
    if (when !== undefined && !isOver && isAfter(batch, when)) {
      take(head, last, 'after');
      isOver = true;
    }
    if (when === undefined) {
      const facts = new PendingFacts(head, Date.parse(batch.at));
      for (const event of batch.events) {
        moment?.closure.follow(event);
        if (deletes(event, thing, facts)) take(facts, batch, 'before');
        facts.absorb(event);
      }
    } else if (isOver) for (const event of batch.events) moment?.closure.follow(event);
    applySlot(repo, head, slot);
    last = batch;
  }
  if (when === undefined ? isThere(thing, head) : !isOver) take(head, last, 'after');
  return { head, moment };
}

function isAfter({ seq, at }: Batch, when: When): boolean {
  return when.kind === 'slot' ? seq > when.seq : Date.parse(at) > when.until;
}

function isThere(thing: Thing, facts: RepositoryFacts): boolean {
  return digestOf(thing, facts) !== undefined;
}

function digestOf(thing: Thing, facts: RepositoryFacts): Digest | undefined {
  if (thing.kind === 'tag') return facts.tag(thing.tag);
  return facts.manifest(thing.digest) === undefined ? undefined : thing.digest;
}

/** @param facts just before the event */
function deletes(event: JournalEvent, thing: Thing, facts: RepositoryFacts): boolean {
  switch (event.type) {
    case 'repo.deleted':
      return isThere(thing, facts);
    case 'tag.deleted':
      return thing.kind === 'tag' && event.tag === thing.tag && isThere(thing, facts);
    case 'manifest.deleted':
      return thing.kind === 'digest' && event.digest === thing.digest && isThere(thing, facts);
    default:
      return false;
  }
}

function momentOf(thing: Thing, facts: RepositoryFacts, batch: Batch, side: Moment['side']): Moment | undefined {
  const digest = digestOf(thing, facts);
  if (digest === undefined) return undefined;
  return {
    ...{ seq: batch.seq, time: batch.at, side, digest },
    tags: thing.kind === 'tag' ? [thing.tag] : tagsUntil(digest, facts, batch, side),
    closure: new Closure([digest], (each) => knownOf(facts, each)),
  };
}

/** If the slot deleted the manifest, its tags were deleted by the same slot, before it. */
function tagsUntil(digest: Digest, facts: RepositoryFacts, { events }: Batch, side: Moment['side']): Tag[] {
  const tags = new Set(facts.tagsOf(digest));
  if (side === 'before') {
    for (const event of events) if (event.type === 'tag.deleted' && event.prev === digest) tags.add(event.tag);
  }
  return [...tags];
}
