import type { Authenticated, BasicAuthenticator, BearerAuthenticator, Maybe, Origin } from './authenticator.ts';

/** Asks several authenticators in order; the first that knows the kind of credentials decides. */
export class Authentication {
  readonly #basic: readonly BasicAuthenticator[];
  readonly #bearer: readonly BearerAuthenticator[];

  constructor(basic: readonly BasicAuthenticator[], bearer: readonly BearerAuthenticator[]) {
    this.#basic = basic;
    this.#bearer = bearer;
  }

  /** @returns `refused` also if no authenticator knows such credentials */
  basic(user: string, password: string, origin: Origin): Maybe<Authenticated> {
    return firstAnswer(this.#basic, (each) => each.basic(user, password, origin));
  }

  /** @returns `refused` also if no authenticator knows such a token */
  bearer(token: string, origin: Origin): Maybe<Authenticated> {
    return firstAnswer(this.#bearer, (each) => each.bearer(token, origin));
  }
}

const UNKNOWN_KIND: Authenticated = { kind: 'refused', reason: 'no authenticator accepts credentials of this kind' };

/** Returns a promise only if an authenticator does: a caller that is known already does not wait. */
function firstAnswer<A>(
  authenticators: readonly A[],
  ask: (authenticator: A) => Maybe<Authenticated | undefined>,
  start = 0,
): Maybe<Authenticated> {
  // Without an iterator, which would take a tenth of the time of a known caller's request.
  for (let at = start; ; at++) {
    const authenticator = authenticators[at];
    if (authenticator === undefined) return UNKNOWN_KIND;
    const answer = ask(authenticator);
    if (answer instanceof Promise) return answer.then((found) => found ?? firstAnswer(authenticators, ask, at + 1));
    if (answer !== undefined) return answer;
  }
}
