import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { RegistryError } from '../oci/errors.ts';
import { parseRepositoryName, type RepositoryName } from '../oci/names.ts';

/** No repository name begins with this character. */
const MARK = '~';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';
/** Names are padded to the maximum length of a name, so that the position does not reveal the length. */
const LENGTH = 255;
const PURPOSE = 'marina catalog position';

/**
 * Encrypts a repository's name for the link to the next page of the catalog: the page may end at a repository that the caller may
 * not see. The key comes from the store's ULID, so all nodes have it, and anyone who can read the ULID can also read the names.
 */
export class SealedPositions {
  readonly #key: Buffer;

  /** @param store the store's ULID. It has 80 random bits. Where access is controlled, only administrators see it. */
  constructor(store: string) {
    this.#key = Buffer.from(hkdfSync('sha256', store, '', PURPOSE, 32));
  }

  /** @returns letters, digits and `~-_` */
  seal(repo: RepositoryName): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#key, nonce);
    const sealed = [nonce, cipher.update(repo.padEnd(LENGTH)), cipher.final(), cipher.getAuthTag()];
    return MARK + Buffer.concat(sealed).toString('base64url');
  }

  /**
   * The name after which a page begins: what a client sent, opened if it is sealed.
   * @throws RegistryError `request-invalid` for a position that this store did not issue
   */
  positionOf(after: string | undefined): string | undefined {
    if (after === undefined || !this.isSealed(after)) return after;
    const position = this.open(after);
    if (position !== undefined) return position;
    throw new RegistryError(
      'request-invalid',
      'last is not a position that this registry issued: start again without it',
    );
  }

  /** Whether the text claims to be sealed. */
  isSealed(text: string): boolean {
    return text.startsWith(MARK);
  }

  /** @returns undefined for a text that this store did not seal */
  open(text: string): RepositoryName | undefined {
    const bytes = Buffer.from(text.slice(MARK.length), 'base64url');
    if (!this.isSealed(text) || bytes.length <= NONCE_BYTES + TAG_BYTES) return undefined;
    const decipher = createDecipheriv(CIPHER, this.#key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const name = decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES));
    try {
      decipher.final();
    } catch {
      // The only possible error: the text was altered, or another store sealed it.
      return undefined;
    }
    return parseRepositoryName(name.toString().trimEnd());
  }
}
