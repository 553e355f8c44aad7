import type { Authority } from './authority.ts';
import type { ActorLabel } from './identity.ts';

/** What a check of credentials found. */
export type Authenticated =
  | { readonly kind: 'known'; readonly authority: Authority }
  /**
   * Both properties are for the log: clients do not see them, and they contain no secret.
   * @property account that the credentials name, only if it exists: any other name may be a password that was typed in the wrong place
   */
  | { readonly kind: 'refused'; readonly reason: string; readonly account?: ActorLabel }
  /** Too many wrong passwords, or no capacity to check one. */
  | { readonly kind: 'later'; readonly retryAfterSeconds: number };

/** A value, or a promise where something must be computed or fetched: callers that are known already do not wait. */
export type Maybe<T> = T | Promise<T>;

/** Where a request came from, for limits on guessing. */
export interface Origin {
  /** Address of the client as far as it is known. */
  readonly address: string | undefined;
}

/** Checks one kind of `Authorization: Basic`. */
export interface BasicAuthenticator {
  /** @returns undefined if such a user name and password are none of its kind: the next authenticator is asked */
  basic(user: string, password: string, origin: Origin): Maybe<Authenticated | undefined>;
}

/** Checks one kind of `Authorization: Bearer`. */
export interface BearerAuthenticator {
  /** @returns undefined if such a token is none of its kind: the next authenticator is asked */
  bearer(token: string, origin: Origin): Maybe<Authenticated | undefined>;
}
