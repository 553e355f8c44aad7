import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/** A token is valid in the period in which it was made and in the next one, in milliseconds. */
const PERIOD_MS = 12 * 60 * 60_000;

/**
 * Tokens in forms: proof that a form comes from a page that was rendered for the same visitor. They are not stored. All nodes of a store
 * make the same ones: the key follows from the store's ULID, which only administrators can see, and a log-in's tokens also from its id,
 * which only its browser has.
 */
export class FormTokens {
  readonly #key: Buffer;
  readonly #now: () => number;

  /** @param store ULID of the store @param now milliseconds since 1970 */
  constructor(store: string, now: () => number) {
    this.#key = Buffer.from(hkdfSync('sha256', store, '', 'marina form tokens', 32));
    this.#now = now;
  }

  /** @param login id of the visitor's log-in; undefined without one */
  issue(login: string | undefined): string {
    return this.#tokenOf(login, Math.floor(this.#now() / PERIOD_MS));
  }

  isValid(token: string, login: string | undefined): boolean {
    const period = Math.floor(this.#now() / PERIOD_MS);
    return [period, period - 1].some((each) => isSame(token, this.#tokenOf(login, each)));
  }

  /** A log-in's id never is `anonymous`. */
  #tokenOf(login: string | undefined, period: number): string {
    return createHmac('sha256', this.#key)
      .update(`${login ?? 'anonymous'} ${period}`)
      .digest('base64url');
  }
}

function isSame(one: string, other: string): boolean {
  const [first, second] = [Buffer.from(one), Buffer.from(other)];
  return first.length === second.length && timingSafeEqual(first, second);
}
