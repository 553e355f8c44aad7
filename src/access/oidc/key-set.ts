import { createLocalJWKSet, type JWK, type JWTVerifyGetKey } from 'jose';
import { readKeySet } from '../public-jwk.ts';
import { IssuerProblem } from './issuer-problem.ts';

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
 * @throws IssuerProblem if no key can be used
 */
export function parseKeySet(json: unknown, where: string): KeySet {
  const all = readKeySet(json);
  if (all === undefined) throw new IssuerProblem(`${where} is not a JSON Web Key Set`);
  const usable = all.filter(({ algorithms }) => algorithms.some((each) => ALGORITHMS.includes(each)));
  if (usable.length === 0) throw new IssuerProblem(`${where} has no key that can sign with ${ALGORITHMS.join(', ')}`);
  return keySetOf(usable.map(({ jwk }) => jwk));
}

/** @param members of a key set that was parsed before */
export function keySetOf(members: readonly JWK[]): KeySet {
  const find = createLocalJWKSet({ keys: [...members] });
  return Object.assign((...token: Parameters<JWTVerifyGetKey>) => find(...token), { members });
}
