import type { X509Certificate } from 'node:crypto';
import { algorithmsOf, type PublicJwk, type PublicKey, readKeySet, readPublicJwk } from '../public-jwk.ts';
import { FileProblem } from '../reloaded-file.ts';
import { parseBundle, trustedLeaf } from './certificates.ts';
import { namesOf, thumbprintOf } from './key-names.ts';

/** What a token's header says about the key that signed it. Nothing about it is verified. */
export interface KeyHeader {
  readonly kid?: unknown;
  readonly jwk?: unknown;
  readonly x5c?: unknown;
}

/** Contents of the files that the settings of these names have; one may be missing. */
export interface TrustFiles {
  readonly AUTH_TOKEN_JWKS_FILE?: string;
  readonly AUTH_TOKEN_ROOTCERTBUNDLE?: string;
}

/** Whose signatures count. Immutable: changed files make another one. */
export class Trust {
  /** By each name that a token may give it. */
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
      // A certificate with a key of another kind can still issue those of tokens.
      if (algorithms.length > 0) addKey(keys, { key, algorithms }, namesOf(key));
    }
    for (const { jwk, key, algorithms } of jwks === undefined ? [] : parseKeys(jwks)) {
      addKey(keys, { key, algorithms }, [...namesOf(key), ...(jwk.kid === undefined ? [] : [jwk.kid])]);
    }
    return new Trust(keys, bundle);
  }

  /**
   * The key that signed a token, found as distribution finds it: by the certificates in the header, else by the key in it, else by
   * its name. A key in the header only says which of the trusted ones it is.
   * @param now milliseconds since 1970
   * @returns a text: why there is none
   */
  keyOf({ kid, jwk, x5c }: KeyHeader, now: number): PublicKey | string {
    if (x5c !== undefined) return trustedLeaf(x5c, this.#bundle, now);
    if (jwk !== undefined) return this.#keyItself(jwk, now);
    if (typeof kid !== 'string') return 'the token does not say which key signed it';
    return this.#keys.get(kid) ?? 'the token is signed with a key that is not known';
  }

  #keyItself(jwk: unknown, now: number): PublicKey | string {
    if (typeof jwk === 'object' && jwk !== null && 'x5c' in jwk) return trustedLeaf(jwk.x5c, this.#bundle, now);
    const read = readPublicJwk(jwk);
    const known = read === undefined ? undefined : this.#keys.get(thumbprintOf(read.key));
    return known ?? 'the token brings a key that is not trusted';
  }
}

function parseKeys(text: string): readonly PublicJwk[] {
  const keys = readKeySet(parseJson(text));
  if (keys === undefined) throw new FileProblem('AUTH_TOKEN_JWKS_FILE has no JSON Web Key Set');
  if (keys.length > 0) return keys;
  throw new FileProblem('AUTH_TOKEN_JWKS_FILE has no public key of RSA (2048 bits or more), EC or Ed25519');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new FileProblem('AUTH_TOKEN_JWKS_FILE has no JSON');
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
