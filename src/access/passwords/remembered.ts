import { randomBytes } from 'node:crypto';

const RIGHT_FOR_MS = 60_000;
const MAX_RIGHT = 10_000;
const MAX_WRONG = 10_000;

declare const brand: unique symbol;

/** Stands for a name, a password and the hash that they were checked against, and tells nothing about them. */
export type CredentialKey = string & { readonly [brand]: 'CredentialKey' };

/** What the checks of passwords gave. Holds neither passwords nor anything that they could be guessed from without this process. */
export class RememberedPasswords {
  readonly #now: () => number;
  /** HMAC with a key of this process, before any text. A copy of it costs less than a new one. */
  readonly #hmac = new Bun.CryptoHasher('sha256', randomBytes(32));
  /** Until when they need no check, in the order of that. */
  readonly #right = new Map<CredentialKey, number>();
  /** The least recently sent first. */
  readonly #wrong = new Set<CredentialKey>();

  /** @param now milliseconds, of a clock that never goes back */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** @param hash of the account; empty without one. As neither name nor hash has a colon, all three can be told apart */
  keyOf(name: string, hash: string, password: string): CredentialKey {
    return this.#hmac.copy().update(`${name}:${hash}:${password}`).digest('base64url') as CredentialKey;
  }

  addRight(key: CredentialKey): void {
    this.#right.delete(key);
    dropFirst(this.#right, MAX_RIGHT);
    this.#right.set(key, this.#now() + RIGHT_FOR_MS);
  }

  /** Whether it was found right within the last minute. */
  isRight(key: CredentialKey): boolean {
    const until = this.#right.get(key);
    return until !== undefined && until > this.#now();
  }

  /** Whether it was found right at any time since the file was read. */
  wasRight(key: CredentialKey): boolean {
    return this.#right.has(key);
  }

  /** What is wrong stays wrong for as long as the account has this hash. */
  addWrong(key: CredentialKey): void {
    dropFirst(this.#wrong, MAX_WRONG);
    this.#wrong.add(key);
  }

  isWrong(key: CredentialKey): boolean {
    if (!this.#wrong.delete(key)) return false;
    this.#wrong.add(key);
    return true;
  }

  forget(): void {
    this.#right.clear();
    this.#wrong.clear();
  }
}

function dropFirst<K>(
  table: { readonly size: number; keys(): Iterator<K>; delete(key: K): boolean },
  most: number,
): void {
  if (table.size < most) return;
  const first = table.keys().next();
  if (first.done !== true) table.delete(first.value);
}
