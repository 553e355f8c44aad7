import type { JournalEvent } from '../journal/events.ts';
import type { BlobLink } from '../journal/state.ts';
import type { Digest } from '../oci/names.ts';
import type { BlobUse } from '../projection/projection.ts';

export interface RenewalTimes {
  /** Milliseconds. */
  readonly now: number;
  /** GC_GRACE in milliseconds. */
  readonly grace: number;
}

/**
 * Whether a blob that nothing refers to is so old that it may be unlinked soon: before a client is told that it need not upload
 * it, it is linked anew, so that it stays until the client's manifest is there.
 */
export function needsRenewal({ link, references }: BlobUse, { now, grace }: RenewalTimes): boolean {
  return references === 0 && now - link.since > grace / 2;
}

/** The system's own event. It links what this very log links already, so there is nothing to ask a collection about. */
export function renewal(digest: Digest, { size, inc }: BlobLink): JournalEvent {
  return { type: 'blob.linked', digest, size, inc };
}
