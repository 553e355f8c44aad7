import { createLocalJWKSet, type JWK, type JWTVerifyGetKey } from 'jose';
import { readKeySet } from '../public-jwk.ts';
import { KeyProblem } from './key-problem.ts';

/** Finds the key of a token. @throws errors of jose */
export type KeySet = JWTVerifyGetKey & {
  /** The keys in a form that can be sent to another thread. */
  readonly members: readonly JWK[];
};

/** Accepted signature algorithms. Each belongs to one kind of key, so a token cannot choose. */
export const ALGORITHMS: readonly string[] = ['RS256', 'ES256', 'EdDSA'];

/**
 * Parses the keys of an issuer.
 * @param where source of the keys, for messages
 * @throws KeyProblem if no key can be used
 */
export function parseKeySet(json: unknown, where: string): KeySet {
  const all = readKeySet(json);
  if (all === undefined) throw new KeyProblem(`${where} is not a JSON Web Key Set`);
  const usable = all.filter(({ algorithms }) => algorithms.some((each) => ALGORITHMS.includes(each)));
  if (usable.length === 0) throw new KeyProblem(`${where} has no key that can sign with ${ALGORITHMS.join(', ')}`);
  return keySetOf(usable.map(({ jwk }) => jwk));
}

/** @param members of a key set that was parsed before */
export function keySetOf(members: readonly JWK[]): KeySet {
  const find = createLocalJWKSet({ keys: [...members] });
  return Object.assign((...token: Parameters<JWTVerifyGetKey>) => find(...token), { members });
}
