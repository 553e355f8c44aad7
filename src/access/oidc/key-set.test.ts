import { expect, test } from 'bun:test';
import { generateKeyPairSync } from 'node:crypto';
import type { JWK } from 'jose';
import { type Algorithm, issuerKey } from '../../../test/support/oidc-issuer.ts';
import { parseKeySet } from './key-set.ts';

const jws = { payload: '', signature: '' };

/** Whether the only key of a set can be used. */
async function isFound(jwk: JWK, alg: string = jwk.alg ?? ''): Promise<boolean> {
  try {
    const key = await parseKeySet({ keys: [jwk] }, 'the set')(
      { alg, ...(jwk.kid === undefined ? {} : { kid: jwk.kid }) },
      jws,
    );
    return key !== undefined;
  } catch {
    return false;
  }
}

test.each<Algorithm>(['RS256', 'ES256', 'EdDSA'])('a key for %s verifies no other algorithm', async (algorithm) => {
  const { alg: _, ...jwk } = (await issuerKey(algorithm)).jwk;
  const others = ['RS256', 'ES256', 'EdDSA', 'HS256', 'none', 'ES384'].filter((each) => each !== algorithm);
  expect(await isFound(jwk, algorithm)).toBe(true);
  for (const other of others) expect(await isFound(jwk, other)).toBe(false);
});

test('keys for other uses, of other kinds, or too short are skipped', async () => {
  const rsa = (await issuerKey('RS256')).jwk;
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' });
  const left: JWK[] = [
    { ...rsa, use: 'enc' },
    { ...rsa, key_ops: ['encrypt'] },
    { ...rsa, key_ops: [] },
    // Anyone can sign for a key with the exponent 1.
    ...['AA', 'AQ', 'Ag'].map((e) => ({ ...rsa, e })),
    { ...rsa, kty: 'EC' },
    { kty: 'oct', k: 'c2VjcmV0', kid: 'a', alg: 'HS256' },
    { kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA', alg: 'ES256' },
    { ...small, alg: 'RS256' },
    { ...p384, alg: 'ES384' },
  ];
  for (const each of left) expect(await isFound(each)).toBe(false);
});

test('a key in an unusual encoding can be used, or is refused before the first token', async () => {
  for (const algorithm of ['RS256', 'ES256', 'EdDSA'] as const) {
    const { jwk } = await issuerKey(algorithm);
    const member = algorithm === 'RS256' ? 'n' : 'x';
    const value = jwk[member] ?? '';
    const unusual: JWK[] = [
      { ...jwk, key_ops: ['verify', 'sign'] },
      { ...jwk, key_ops: ['verify', 'unheard-of'] },
      { ...jwk, key_ops: ['verify', 'verify'] },
      { ...jwk, [member]: Buffer.from(value, 'base64url').toString('base64') },
      { ...jwk, [member]: `${value.slice(0, 10)}\n${value.slice(10)}` },
      { ...jwk, [member]: `${value} ` },
    ];
    for (const each of unusual) expect(await isFound(each)).toBe(true);
  }
});

test('one unusable key does not affect the others', async () => {
  const { jwk } = await issuerKey('ES256');
  const odd = [null, 1, 'key', {}, { kty: 'unheard-of' }, { kty: 'RSA', n: 1 }, { kty: 'AKP', pub: 'x' }];
  const set = parseKeySet({ keys: [...odd, jwk, ...odd] }, 'the set');
  expect(await set({ alg: 'ES256', kid: jwk.kid ?? '' }, jws)).toBeDefined();
  expect(() => parseKeySet({ keys: odd }, 'the set')).toThrow(
    'the set has no key that can sign with RS256, ES256, EdDSA',
  );
});

test('the private part of a key that an issuer publishes by mistake is ignored', async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...privateKey.export({ format: 'jwk' }), kid: 'a', alg: 'ES256' };
  expect(await parseKeySet({ keys: [jwk] }, 'the set')({ alg: 'ES256', kid: 'a' }, jws)).toMatchObject({
    type: 'public',
  });
});
