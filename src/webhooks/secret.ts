/** Secrets of Standard Webhooks have this prefix, and their key in base64 after it. */
const STANDARD_PREFIX = 'whsec_';
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const MAX_CHARACTERS = 512;

/** Why a text cannot be the secret of a webhook; undefined if it can. The reason does not show it. */
export function problemOfSecret(text: string): string | undefined {
  if (!/^[\x21-\x7e]+$/.test(text) || text.length > MAX_CHARACTERS)
    return `1 to ${MAX_CHARACTERS} printable ASCII characters without spaces are expected`;
  if (!text.startsWith(STANDARD_PREFIX)) return undefined;
  const key = text.slice(STANDARD_PREFIX.length);
  return key !== '' && BASE64.test(key) ? undefined : `after "${STANDARD_PREFIX}" a key in base64 is expected`;
}

/** A secret that a webhook's receiver knows, too. It signs deliveries and cannot be read. */
export class Secret {
  readonly #key: Buffer;
  /** The key of Standard Webhooks. */
  readonly #standardKey: Buffer;

  /** @param text for which `problemOfSecret` found no problem */
  constructor(text: string) {
    this.#key = Buffer.from(text);
    this.#standardKey = text.startsWith(STANDARD_PREFIX)
      ? Buffer.from(text.slice(STANDARD_PREFIX.length), 'base64')
      : this.#key;
  }

  /** HMAC-SHA256 with the secret's text as the key, in hex. */
  hex(message: string): string {
    return new Bun.CryptoHasher('sha256', this.#key).update(message).digest('hex');
  }

  /** HMAC-SHA256 with the key of Standard Webhooks, in base64. */
  standard(message: string): string {
    return new Bun.CryptoHasher('sha256', this.#standardKey).update(message).digest('base64');
  }
}
