import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Authenticated } from './authenticator.ts';

type Known = Extract<Authenticated, { readonly kind: 'known' }>;

interface Remembered {
  /** The same object each time, because callers use it as a cache key. */
  readonly found: Known;
  /** Milliseconds since 1970. */
  readonly until: number;
  readonly basis: object;
}

/** Each takes about a kilobyte. */
const MAX_TOKENS = 10_000;

/** A cache of verified tokens, so that requests with them are served synchronously. Refused tokens are not cached. */
export class VerifiedTokens {
  readonly #now: () => number;
  /** By the SHA-256 of the token, so that memory holds no usable tokens. */
  readonly #tokens = new LRUCache<string, Remembered>({ max: MAX_TOKENS });

  /** @param now milliseconds since 1970 */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** @param basis the current keys or rules; a token that was verified with other ones must be verified again */
  find(token: string, basis: object): Known | undefined {
    const remembered = this.#tokens.get(hashOf(token));
    const isGood = remembered?.basis === basis && this.#now() < remembered.until;
    return isGood ? remembered.found : undefined;
  }

  /** @param until when the entry expires, in milliseconds since 1970 */
  remember(token: string, found: Known, { basis, until }: { readonly basis: object; readonly until: number }): Known {
    this.#tokens.set(hashOf(token), { found, until, basis });
    return found;
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}
