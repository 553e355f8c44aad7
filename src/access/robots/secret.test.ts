import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { hashSecret, isSecret, newSecret, parseSecretHash } from './secret.ts';

const STORE = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

describe('a secret', () => {
  test('has its prefix, 43 random characters and a checksum, and no two are equal', () => {
    const secrets = Array.from({ length: 200 }, newSecret);
    for (const secret of secrets) {
      expect(secret).toMatch(/^marina_rt_[0-9A-Za-z]{49}$/);
      expect(isSecret(secret)).toBe(true);
    }
    expect(new Set(secrets).size).toBe(secrets.length);
    // Every character occurs: 200 secrets have 8,600 of them.
    expect(new Set(secrets.flatMap((secret) => [...secret.slice(10, 53)])).size).toBe(62);
  });

  test('has the checksum that docs/access.md describes', () => {
    const random = 'a'.repeat(43);
    // CRC-32 as its definition says, bit by bit.
    let crc = 0xffffffff;
    for (const byte of Buffer.from(random)) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    }
    const value = (crc ^ 0xffffffff) >>> 0;
    const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    const digits = [5, 4, 3, 2, 1, 0].map((place) => alphabet.charAt(Math.floor(value / 62 ** place) % 62)).join('');
    expect(isSecret(`marina_rt_${random}${digits}`)).toBe(true);
  });

  test('with one changed character is not a secret', () => {
    const change = fc.record({ at: fc.nat(58), to: fc.constantFrom(...'0189AZaz-_.') });
    fc.assert(
      fc.property(change, ({ at, to }) => {
        const secret = newSecret();
        const changed = secret.slice(0, at) + to + secret.slice(at + 1);
        expect(isSecret(changed)).toBe(changed === secret);
      }),
    );
  });

  test('is not a secret if it is truncated, and neither is any other text', () => {
    const secret = newSecret();
    for (const text of [secret.slice(0, -1), `${secret}0`, ` ${secret}`, `${secret}\n`, ''])
      expect(isSecret(text)).toBe(false);
    fc.assert(fc.property(fc.string(), (text) => expect(isSecret(text)).toBe(false)));
  });
});

test('the hash of a secret differs by store and by robot', () => {
  const secret = newSecret();
  const hashes = [
    hashSecret(STORE, 'ci', secret),
    hashSecret(STORE, 'ci2', secret),
    hashSecret('01ARZ3NDEKTSV4RRFFQ69G5FAW', 'ci', secret),
    hashSecret(STORE, 'ci', newSecret()),
  ];
  expect(new Set(hashes).size).toBe(4);
  expect(hashes.map(parseSecretHash)).toEqual(hashes);
  expect(hashSecret(STORE, 'ci', secret)).toBe(hashes[0] ?? expect.unreachable());
});
