import type { Permission } from '../access/authority.ts';

/** One condition that a caller must meet. */
export type Requirement =
  | Permission
  /** The request must have credentials. */
  | { readonly kind: 'identity' };

/** The access that a request needs, which is checked before anything is looked up. */
export interface RequiredAccess {
  /** All of these must be met. Those of the token endpoint, of the OpenAPI document and of overviews are empty. */
  readonly requirements: readonly Requirement[];
  /** Optional access. The challenge also asks for it, so that the client's token has it. */
  readonly wishes: readonly Requirement[];
  /**
   * How an authenticated caller is refused. `hidden`: with the response for a repository that does not exist. `denied`: with 403,
   * whether the repository exists or not.
   */
  readonly refusal: 'hidden' | 'denied';
}
