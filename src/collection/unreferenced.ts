import { COLLECTION } from '../access/identity.ts';
import { accept, type Decision } from '../journal/command.ts';
import type { JournalEvent } from '../journal/events.ts';
import type { RepositoryState } from '../journal/fold.ts';
import type { RepositoryFacts } from '../journal/state.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import type { Projection } from '../projection/projection.ts';

/** Blobs unlinked by one append. */
const UNLINK_BATCH = 250;

/** A blob that no manifest of its repository refers to. */
export interface Unreferenced {
  readonly digest: Digest;
  readonly size: number;
  /** When it was linked or lost its last reference, in milliseconds. */
  readonly since: number;
}

/** @returns blobs that have been unreferenced since before the given time (milliseconds) */
export function unreferencedBlobs(state: RepositoryState, before: number): Unreferenced[] {
  const found: Unreferenced[] = [];
  for (const [digest, { size, since }] of state.blobs) {
    if (since < before && state.references(digest) === 0) found.push({ digest, size, since });
  }
  return found;
}

/**
 * Unlinks those of the blobs that are still unreferenced. This is decided on the current state, so a manifest pushed meanwhile wins.
 * @param before milliseconds
 * @returns how many
 */
export async function unlinkUnreferenced(
  repo: RepositoryName,
  blobs: readonly Unreferenced[],
  before: number,
  projection: Pick<Projection, 'submit'>,
): Promise<number> {
  let unlinked = 0;
  for (let from = 0; from < blobs.length; from += UNLINK_BATCH) {
    const digests = blobs.slice(from, from + UNLINK_BATCH).map(({ digest }) => digest);
    const decide = (facts: RepositoryFacts): Decision<number> => {
      const events = digests.flatMap((digest): JournalEvent[] => {
        const link = facts.blob(digest);
        if (link === undefined || link.since >= before || facts.references(digest) > 0) return [];
        return [{ type: 'blob.unlinked', digest, inc: link.inc, actor: COLLECTION }];
      });
      return accept(events.length, ...events);
    };
    unlinked += await projection.submit(repo, { needs: { blobs: digests, references: digests }, decide });
  }
  return unlinked;
}
