import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Authenticated } from './authenticator.ts';

type Known = Extract<Authenticated, { readonly kind: 'known' }>;

interface Remembered {
  /** One object, as callers remember what they made of it. */
  readonly found: Known;
  /** Milliseconds since 1970. */
  readonly until: number;
  readonly basis: object;
}

/** One takes about a kilobyte. */
const MAX_TOKENS = 10_000;

/** Tokens that were verified, so that a request with one of them needs no promise. Those that were refused are not remembered. */
export class VerifiedTokens {
  readonly #now: () => number;
  /** By SHA-256 of the token: in memory there are no tokens that could be used. */
  readonly #tokens = new LRUCache<string, Remembered>({ max: MAX_TOKENS });

  /** @param now milliseconds since 1970 */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** @param basis what is in use now to verify tokens: one that was verified by anything else has to be verified again */
  find(token: string, basis: object): Known | undefined {
    const remembered = this.#tokens.get(hashOf(token));
    const isGood = remembered?.basis === basis && this.#now() < remembered.until;
    return isGood ? remembered.found : undefined;
  }

  /** @param until when the token ends, in milliseconds since 1970 */
  remember(token: string, found: Known, { basis, until }: { readonly basis: object; readonly until: number }): Known {
    this.#tokens.set(hashOf(token), { found, until, basis });
    return found;
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
