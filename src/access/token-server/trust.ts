import type { X509Certificate } from 'node:crypto';
import { algorithmsOf, type PublicJwk, type PublicKey, readKeySet, readPublicJwk } from '../public-jwk.ts';
import { FileProblem } from '../reloaded-file.ts';
import { parseBundle, trustedLeaf } from './certificates.ts';
import { namesOf, thumbprintOf } from './key-names.ts';

/** The unverified claims of a token's header about the key that signed it. */
export interface KeyHeader {
  readonly kid?: unknown;
  readonly jwk?: unknown;
  readonly x5c?: unknown;
}

/** Contents of the files, by the settings that name them; one may be missing. */
export interface TrustFiles {
  readonly AUTH_TOKEN_JWKS_FILE?: string;
  readonly AUTH_TOKEN_ROOTCERTBUNDLE?: string;
}

/** The trusted keys and certificates. Immutable: changed files are parsed into a new value. */
export class Trust {
  /** By every name that a token may use. */
  readonly #keys: ReadonlyMap<string, PublicKey>;
  readonly #bundle: readonly X509Certificate[];

  private constructor(keys: ReadonlyMap<string, PublicKey>, bundle: readonly X509Certificate[]) {
    this.#keys = keys;
    this.#bundle = bundle;
  }

  /** @throws FileProblem */
  static parse({ AUTH_TOKEN_JWKS_FILE: jwks, AUTH_TOKEN_ROOTCERTBUNDLE: certificates }: TrustFiles): Trust {
    const bundle = certificates === undefined ? [] : parseBundle(certificates);
    const keys = new Map<string, PublicKey>();
    for (const { publicKey: key } of bundle) {
      const algorithms = algorithmsOf(key);
      // A certificate with an unsupported kind of key can still issue the certificates of tokens.
      if (algorithms.length > 0) addKey(keys, { key, algorithms }, namesOf(key));
    }
    for (const { jwk, key, algorithms } of jwks === undefined ? [] : parseKeys(jwks)) {
      addKey(keys, { key, algorithms }, [...namesOf(key), ...(jwk.kid === undefined ? [] : [jwk.kid])]);
    }
    return new Trust(keys, bundle);
  }

  /**
   * The key that signed a token, found as distribution finds it: by the certificates in the header, else by the key in the header,
   * else by `kid`. A key in the header only selects one of the trusted keys.
   * @param now milliseconds since 1970
   * @returns a string if there is none: the reason
   */
  keyOf({ kid, jwk, x5c }: KeyHeader, now: number): PublicKey | string {
    if (x5c !== undefined) return trustedLeaf(x5c, this.#bundle, now);
    if (jwk !== undefined) return this.#keyItself(jwk, now);
    if (typeof kid !== 'string') return 'the token does not say which key signed it';
    return this.#keys.get(kid) ?? 'the token is signed with an unknown key';
  }

  #keyItself(jwk: unknown, now: number): PublicKey | string {
    if (typeof jwk === 'object' && jwk !== null && 'x5c' in jwk) return trustedLeaf(jwk.x5c, this.#bundle, now);
    const read = readPublicJwk(jwk);
    const known = read === undefined ? undefined : this.#keys.get(thumbprintOf(read.key));
    return known ?? 'the token contains a key that is not trusted';
  }
}

function parseKeys(text: string): readonly PublicJwk[] {
  const keys = readKeySet(parseJson(text));
  if (keys === undefined) throw new FileProblem('AUTH_TOKEN_JWKS_FILE is not a JSON Web Key Set');
  if (keys.length > 0) return keys;
  throw new FileProblem('AUTH_TOKEN_JWKS_FILE has no RSA (2048 bits or more), EC or Ed25519 public key');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new FileProblem('AUTH_TOKEN_JWKS_FILE is not JSON');
  }
}

/** @throws FileProblem if another key has one of the names */
function addKey(keys: Map<string, PublicKey>, key: PublicKey, names: Iterable<string>): void {
  for (const name of names) {
    const other = keys.get(name);
    if (other !== undefined && !other.key.equals(key.key)) throw new FileProblem('two keys have the same kid');
    keys.set(name, key);
  }
}
