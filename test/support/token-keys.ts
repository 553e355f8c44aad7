// Signers of tokens for unit tests, on a clock of their own.
import { KeyRing, makeTokenKey, type PrivateKeys, parsePrivateKeys } from '../../src/access/tokens/keys.ts';
import { TokenSigner } from '../../src/access/tokens/signer.ts';

export interface TestSigner {
  readonly signer: TokenSigner;
  readonly ring: KeyRing;
  /** The keys can be replaced. */
  readonly file: { value: PrivateKeys };
  /** Milliseconds since 1970; tests set it. */
  readonly clock: { now: number };
}

export function testSigner(issuer = 'marina:test', pem = makeTokenKey()): TestSigner {
  const file = { value: parsePrivateKeys(pem) };
  const ring = new KeyRing(file);
  const clock = { now: Date.parse('2026-01-01T00:00:00Z') };
  let ids = 0;
  const newId = (): string => `id-${++ids}`;
  return { signer: new TokenSigner({ keys: ring, issuer, now: () => clock.now, newId }), ring, file, clock };
}
