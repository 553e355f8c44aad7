import { createLocalJWKSet, type JWTVerifyGetKey } from 'jose';
import { readKeySet } from '../public-jwk.ts';
import { KeyProblem } from './key-problem.ts';

/** Looks the key of a token up. @throws errors of jose */
export type KeySet = JWTVerifyGetKey;

/** The algorithms of tokens: each is bound to one kind of key, and so a token cannot choose. */
export const ALGORITHMS: readonly string[] = ['RS256', 'ES256', 'EdDSA'];

/**
 * Reads the keys of an issuer.
 * @param where for messages
 * @throws KeyProblem if there is none that can be used
 */
export function parseKeySet(json: unknown, where: string): KeySet {
  const all = readKeySet(json);
  if (all === undefined) throw new KeyProblem(`${where} is no JSON Web Key Set`);
  const usable = all.filter(({ algorithms }) => algorithms.some((each) => ALGORITHMS.includes(each)));
  if (usable.length === 0) throw new KeyProblem(`${where} has no key that can sign with ${ALGORITHMS.join(', ')}`);
  return createLocalJWKSet({ keys: usable.map(({ jwk }) => jwk) });
}
