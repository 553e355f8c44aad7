import { unreachable } from '../oci/errors.ts';

/**
 * Whether another request may have linked these bytes. A request that ends up not linking its bytes may delete them only if no other
 * request could have linked them. In all other cases only garbage collection can tell that no log links them.
 */
export type Exclusivity =
  /** Written by this request under a name that no other request knows. */
  | { readonly kind: 'exclusive' }
  /**
   * Committed from an upload session by this request. Another request that takes the session over can link them too, unless the
   * session ends under this request's lease. `ended` resolves to whether it did, once the lease is released.
   */
  | { readonly kind: 'exclusive-if-ended'; readonly ended: Promise<boolean> }
  /** Committed by an earlier request of the session, or from a session that another request may still be closing. */
  | { readonly kind: 'shared' };

export const EXCLUSIVE: Exclusivity = { kind: 'exclusive' };

/** Resolves once it is known whether another request can have linked the bytes, at the latest when the request ends. */
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
