import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import { pemBlocks } from '../pem.ts';
import { FileProblem } from '../reloaded-file.ts';

/** The only algorithm that a key may be used with: a token cannot choose another. */
type TokenAlgorithm = 'ES256' | 'EdDSA';

interface PrivateKey {
  readonly algorithm: TokenAlgorithm;
  readonly privateKey: KeyObject;
}

interface SigningKey extends PrivateKey {
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  readonly publicKey: KeyObject;
}

/** The private keys of TOKEN_KEY_FILE, in the file's order. Immutable: a changed file is parsed into a new value. */
export type PrivateKeys = readonly [PrivateKey, ...PrivateKey[]];

interface TokenKeys {
  readonly first: SigningKey;
  /** All of them, by `kid`. */
  readonly byId: ReadonlyMap<string, SigningKey>;
}

const MAX_KEYS = 16;
const EXPECTED = 'an EC P-256 or Ed25519 private key (PEM, not encrypted) is expected';

/**
 * Parses private keys: the first signs, all verify. EC parameters, which openssl writes before a key, are ignored.
 * @throws FileProblem; its message shows no part of the keys
 */
export function parsePrivateKeys(pem: string): PrivateKeys {
  const blocks = pemBlocks(pem).filter(({ label }) => label !== 'EC PARAMETERS');
  if (blocks.length > MAX_KEYS) throw new FileProblem(`it has more than ${MAX_KEYS} keys`);
  const [first, ...others] = blocks.map(({ text }, at) => privateKeyOf(text, `key ${at + 1} of ${blocks.length}`));
  if (first === undefined) throw new FileProblem(`it has no key: ${EXPECTED}`);
  return [first, ...others];
}

/** Generates a key in PEM (PKCS#8). It is EC P-256, which every tool for registry tokens supports. */
export function makeTokenKey(): string {
  return generateKeyPairSync('ec', { namedCurve: 'P-256', privateKeyEncoding: { type: 'pkcs8', format: 'pem' } })
    .privateKey;
}

async function identifyKeys([first, ...others]: PrivateKeys): Promise<TokenKeys> {
  const signing = await signingKey(first);
  const all = [signing, ...(await Promise.all(others.map(signingKey)))];
  return { first: signing, byId: new Map(all.map((key) => [key.kid, key])) };
}

async function signingKey(key: PrivateKey): Promise<SigningKey> {
  const publicKey = createPublicKey(key.privateKey);
  return { ...key, publicKey, kid: await calculateJwkThumbprint(await exportJWK(publicKey)) };
}

function privateKeyOf(pem: string, which: string): PrivateKey {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch {
    // The library's message may quote the key.
    throw new FileProblem(`${which} cannot be read: ${EXPECTED}`);
  }
  const algorithm = algorithmOf(privateKey);
  if (algorithm === undefined) throw new FileProblem(`${which} is of another kind: ${EXPECTED}`);
  return { algorithm, privateKey };
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): TokenAlgorithm | undefined {
  if (asymmetricKeyType === 'ed25519') return 'EdDSA';
  return asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1' ? 'ES256' : undefined;
}

/** The current keys, which change with their file. */
export class KeyRing {
  readonly #file: { readonly value: PrivateKeys };
  #identified: { readonly from: PrivateKeys; readonly keys: Promise<TokenKeys> } | undefined;

  constructor(file: { readonly value: PrivateKeys }) {
    this.#file = file;
  }

  /** The same object as long as the keys have not changed. */
  get current(): PrivateKeys {
    return this.#file.value;
  }

  /** The current keys with their thumbprints, which are computed once. */
  keys(): Promise<TokenKeys> {
    const from = this.#file.value;
    if (this.#identified?.from !== from) this.#identified = { from, keys: identifyKeys(from) };
    return this.#identified.keys;
  }
}
