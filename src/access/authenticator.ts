import type { Authority } from './authority.ts';
import type { ActorLabel } from './identity.ts';

/** The result of checking credentials. */
export type Authenticated =
  /**
   * @property acceptAgain accepts the same credentials again without a check; false if they must be checked, because they may no
   * longer be right. Without it they must always be checked
   */
  | { readonly kind: 'known'; readonly authority: Authority; readonly acceptAgain?: () => boolean }
  /**
   * Both properties are for the log only and contain no secret.
   * @property account the account that the credentials name, if it exists; any other name may be a password typed in the wrong field
   */
  | { readonly kind: 'refused'; readonly reason: string; readonly account?: ActorLabel }
  /** Too many wrong passwords, or no capacity to check one. */
  | { readonly kind: 'later'; readonly retryAfterSeconds: number };

/** A value if it is cached, otherwise a promise: cached callers are served synchronously. */
export type MaybeAsync<T> = T | Promise<T>;

/** The origin of a request, for limits on guessing. */
export interface Origin {
  /** Address of the client as far as it is known. */
  readonly address: string | undefined;
}

/** Checks one kind of `Authorization: Basic`. */
export interface BasicAuthenticator {
  /** @returns undefined if the credentials are not of its kind: the next authenticator is tried */
  basic(user: string, password: string, origin: Origin): MaybeAsync<Authenticated | undefined>;
}

/** Checks one kind of `Authorization: Bearer`. */
export interface BearerAuthenticator {
  /** @returns undefined if the token is not of its kind: the next authenticator is tried */
  bearer(token: string, origin: Origin): MaybeAsync<Authenticated | undefined>;
}
