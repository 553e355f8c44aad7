import type { Authenticated, BasicAuthenticator, BearerAuthenticator, MaybeAsync, Origin } from './authenticator.ts';

/** Tries several authenticators in order; the first that recognizes the kind of credentials decides. */
export class Authentication {
  readonly #basic: readonly BasicAuthenticator[];
  readonly #bearer: readonly BearerAuthenticator[];

  constructor(basic: readonly BasicAuthenticator[], bearer: readonly BearerAuthenticator[]) {
    this.#basic = basic;
    this.#bearer = bearer;
  }

  /** @returns `refused` if no authenticator recognizes the credentials */
  basic(user: string, password: string, origin: Origin): MaybeAsync<Authenticated> {
    return firstAnswer(this.#basic, (each) => each.basic(user, password, origin));
  }

  /** @returns `refused` if no authenticator recognizes the token */
  bearer(token: string, origin: Origin): MaybeAsync<Authenticated> {
    return firstAnswer(this.#bearer, (each) => each.bearer(token, origin));
  }
}

const UNKNOWN_KIND: Authenticated = { kind: 'refused', reason: 'no authenticator accepts credentials of this kind' };

/** Returns a promise only if an authenticator does, so that cached callers are served synchronously. */
function firstAnswer<A>(
  authenticators: readonly A[],
  ask: (authenticator: A) => MaybeAsync<Authenticated | undefined>,
  start = 0,
): MaybeAsync<Authenticated> {
  // An iterator would take a tenth of the time of a cached caller's request.
  for (let at = start; ; at++) {
    const authenticator = authenticators[at];
    if (authenticator === undefined) return UNKNOWN_KIND;
    const answer = ask(authenticator);
    if (answer instanceof Promise) return answer.then((found) => found ?? firstAnswer(authenticators, ask, at + 1));
    if (answer !== undefined) return answer;
  }
}
