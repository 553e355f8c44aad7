import { expect, test } from 'bun:test';
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK } from 'jose';
import { namesOf, thumbprintOf } from './key-names.ts';

const spec = createPublicKey({
  key: {
    kty: 'EC',
    crv: 'P-256',
    x: 'm7zUpx3b-zmVE5cymSs64POG9QcyEpJaYCD82-549_Q',
    y: 'dU3biz8sZ_8GPB-odm8Wxz3lNDr1xcAQQPQaOcr1fmc',
  },
  format: 'jwk',
});

test("the fingerprint of libtrust is the one in distribution's specification of tokens", () => {
  expect(namesOf(spec)).toContain('PYYO:TEWU:V7JH:26JV:AQTZ:LJC3:SXVJ:XGHA:34F2:2LAQ:ZRMK:Z7Q6');
});

const KINDS: Readonly<Record<string, () => KeyObject>> = {
  RSA: () => generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey,
  'P-256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey,
  'P-521': () => generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey,
  Ed25519: () => generateKeyPairSync('ed25519').publicKey,
};

test.each(Object.keys(KINDS))('the thumbprint of a key of %s is that of RFC 7638', async (kind) => {
  const key = KINDS[kind]?.() ?? spec;
  expect(thumbprintOf(key)).toBe(await calculateJwkThumbprint(await exportJWK(key)));
});

test("a key whose coordinate begins with a zero also has distribution's thumbprint", () => {
  for (let tries = 0; tries < 20_000; tries++) {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
    const [short, whole] = [x, y].map((each) => Buffer.from(each, 'base64url'));
    if (short?.[0] !== 0 || whole?.[0] === 0) continue;
    const written = `{"crv":"P-256","kty":"EC","x":"${short.subarray(1).toString('base64url')}","y":"${y}"}`;
    const hash = new Bun.CryptoHasher('sha256').update(written).digest('base64url');
    expect(namesOf(publicKey)).toContain(hash);
    expect(namesOf(publicKey).size).toBe(3);
    return;
  }
  throw new Error('no such key was made');
});
