import { RENEWAL } from '../access/identity.ts';
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
 * Whether a blob without references is old enough to be unlinked soon. Such a blob is linked again before a client may skip its
 * upload, so that it stays until the client pushes its manifest.
 */
export function needsRenewal({ link, references }: BlobUse, { now, grace }: RenewalTimes): boolean {
  return references === 0 && now - link.since > grace / 2;
}

/** This log already links the incarnation, so the linker's rule need not be checked. */
export function renewal(digest: Digest, { size, inc }: BlobLink): JournalEvent {
  return { type: 'blob.linked', digest, size, inc, actor: RENEWAL };
}
