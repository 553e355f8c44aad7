import { randomBytes } from 'node:crypto';

const MAX_HEADERS = 10_000;

interface Remembered<T> {
  readonly value: T;
  /** As in `Authenticated`. */
  readonly acceptAgain: () => boolean;
}

/**
 * Accepted headers with Basic credentials, so that a header that comes again need not be parsed and checked. They are stored as hashes
 * with a random key of this process, which reveal no password.
 */
export class RememberedHeaders<T> {
  /** Before any text. Copying it costs less than creating one. */
  readonly #hmac = new Bun.CryptoHasher('sha256', randomBytes(32));
  /** The oldest first. */
  readonly #headers = new Map<string, Remembered<T>>();

  /** @returns undefined if the header must be parsed and checked */
  find(header: string): T | undefined {
    const key = this.#keyOf(header);
    const found = this.#headers.get(key);
    if (found === undefined) return undefined;
    if (found.acceptAgain()) return found.value;
    this.#headers.delete(key);
    return undefined;
  }

  add(header: string, remembered: Remembered<T>): void {
    const key = this.#keyOf(header);
    this.#headers.delete(key);
    const oldest = this.#headers.size < MAX_HEADERS ? undefined : this.#headers.keys().next();
    if (oldest?.done === false) this.#headers.delete(oldest.value);
    this.#headers.set(key, remembered);
  }

  #keyOf(header: string): string {
    return this.#hmac.copy().update(header).digest('base64url');
  }
}
