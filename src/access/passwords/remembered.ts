import { randomBytes } from 'node:crypto';

const RIGHT_FOR_MS = 60_000;
const MAX_RIGHT = 10_000;
const MAX_WRONG = 10_000;

declare const brand: unique symbol;

/** Identifies a name, a password and the hash that they were checked against, without revealing them. */
export type CredentialKey = string & { readonly [brand]: 'CredentialKey' };

/** Results of password checks. It holds no passwords, and nothing from which they could be guessed outside this process. */
export class RememberedPasswords {
  readonly #now: () => number;
  /** HMAC with a random key of this process, before any text. Copying it costs less than creating one. */
  readonly #hmac = new Bun.CryptoHasher('sha256', randomBytes(32));
  /** Right passwords by the time until which they need no check, in that order. */
  readonly #right = new Map<CredentialKey, number>();
  /** Wrong passwords, the least recently sent first. */
  readonly #wrong = new Set<CredentialKey>();

  /** @param now milliseconds, of a monotonic clock */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** @param hash of the account, or empty if there is none. Neither name nor hash has a colon, so the key is unambiguous */
  keyOf(name: string, hash: string, password: string): CredentialKey {
    return this.#hmac.copy().update(`${name}:${hash}:${password}`).digest('base64url') as CredentialKey;
  }

  /** @param forMs how many milliseconds it needs no check */
  addRight(key: CredentialKey, forMs: number = RIGHT_FOR_MS): void {
    this.#right.delete(key);
    dropFirst(this.#right, MAX_RIGHT);
    this.#right.set(key, this.#now() + forMs);
  }

  /** Whether it was right within the last minute. */
  isRight(key: CredentialKey): boolean {
    return this.rightFor(key) > 0;
  }

  /** How many milliseconds it needs no check; 0 or less: it must be checked. */
  rightFor(key: CredentialKey): number {
    const until = this.#right.get(key);
    return until === undefined ? 0 : until - this.#now();
  }

  /** Whether it was right at any time since the file was read. */
  wasRight(key: CredentialKey): boolean {
    return this.#right.has(key);
  }

  /** A wrong password stays wrong as long as the account has this hash. */
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
  max: number,
): void {
  if (table.size < max) return;
  const first = table.keys().next();
  if (first.done !== true) table.delete(first.value);
}
