import { describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { algorithms, digests } from '../../test/support/generators.ts';
import {
  ALGORITHMS,
  algorithmOf,
  digestFromHex,
  digestOf,
  hexOf,
  isAlgorithm,
  parseDigest,
  requireDigest,
} from './digest.ts';
import { RegistryError } from './errors.ts';

const hex = 'a'.repeat(64);

describe('digests', () => {
  test('come apart and together again', () => {
    fc.assert(
      fc.property(digests, (digest) => {
        expect(parseDigest(digest)).toBe(digest);
        expect(requireDigest(digest)).toBe(digest);
        expect(digestFromHex(algorithmOf(digest), hexOf(digest))).toBe(digest);
      }),
    );
  });

  test('of bytes are what every other implementation says', () => {
    expect(digestOf('sha256', new Uint8Array()) as string).toBe(
      'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    );
    fc.assert(
      fc.property(algorithms, fc.uint8Array(), (algorithm, bytes) => {
        const digest = digestOf(algorithm, bytes);
        expect(algorithmOf(digest)).toBe(algorithm);
        expect(hexOf(digest)).toBe(createHash(algorithm).update(bytes).digest('hex'));
        expect(parseDigest(digest)).toBe(digest);
      }),
    );
  });

  test.each([
    ...['', 'sha256', 'sha256:', ':', `:${hex}`, hex, `sha256:${hex}a`, `sha256:${hex.slice(1)}`, `sha512:${hex}`],
    ...[`SHA256:${hex}`, `sha256:${hex.toUpperCase()}`, `sha256:${'g'.repeat(64)}`, `sha256:sha256:${hex}`],
    ...[
      `sha256:${hex}\n`,
      ` sha256:${hex}`,
      `sha256: ${hex.slice(1)}`,
      `sha256:${hex.slice(1)}\0`,
      `sha1:${hex.slice(24)}`,
      `sha512:${'A'.repeat(128)}`,
      `sha512:${hex}${hex}0`,
    ],
    ...[`md5:${hex.slice(32)}`, `blake3:${hex}`, `sha256+b64:${hex}`, `sha256:../${hex.slice(3)}`, 'latest'],
  ])('%j is none that can be verified', (text) => {
    expect(parseDigest(text)).toBeUndefined();
    expect(() => requireDigest(text)).toThrow(RegistryError);
    expect(() => requireDigest(text)).toThrow('sha256: and 64, or sha512: and 128');
  });
});

test('algorithms are known by their exact name', () => {
  for (const algorithm of ALGORITHMS) expect(isAlgorithm(algorithm)).toBe(true);
  for (const text of ['', 'SHA256', 'sha256 ', 'sha384', 'md5', 'constructor', '__proto__'])
    expect(isAlgorithm(text)).toBe(false);
});
