import { unreachable } from '../oci/errors.ts';

/**
 * May somebody else have linked these bytes? Bytes that only this request can have linked may be deleted by it when it does not link
 * them after all. Of any others only garbage collection can tell that no log links them.
 */
export type Exclusivity =
  /** Written by this request, under a name that nobody else knows. */
  | { readonly kind: 'exclusive' }
  /**
   * Committed from an upload session by this request. A request that takes the session over meanwhile can link them too, unless the
   * session has ended under this request's lease: `ended` resolves once that is known.
   */
  | { readonly kind: 'exclusive-if-ended'; readonly ended: Promise<boolean> }
  /** Committed by an earlier request of the session, or from a session that another request may still be finishing. */
  | { readonly kind: 'shared' };

export const EXCLUSIVE: Exclusivity = { kind: 'exclusive' };

/** Resolves when it is certain whether nobody else can have linked the bytes, which may take as long as the request. */
export async function isExclusive(exclusivity: Exclusivity): Promise<boolean> {
  switch (exclusivity.kind) {
    case 'exclusive':
      return true;
    case 'exclusive-if-ended':
      return await exclusivity.ended;
    case 'shared':
      return false;
    default:
      return unreachable(exclusivity);
  }
}
