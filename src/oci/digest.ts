import { createHash } from 'node:crypto';
import { RegistryError } from './errors.ts';
import type { Digest } from './names.ts';

/** The algorithms that the image spec registers and that this registry computes. */
export const ALGORITHMS = ['sha256', 'sha512'] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

/** Used for uploads that announce no algorithm, and for manifests pushed by tag. */
export const DEFAULT_ALGORITHM: Algorithm = 'sha256';

const SHA256 = /^sha256:[a-f0-9]{64}$/;
const SHA512 = /^sha512:[a-f0-9]{128}$/;

export function isAlgorithm(text: string): text is Algorithm {
  return text === 'sha256' || text === 'sha512';
}

/** @returns undefined for text that is not a digest, and for algorithms that this registry cannot verify */
export function parseDigest(text: string): Digest | undefined {
  return SHA256.test(text) || SHA512.test(text) ? (text as Digest) : undefined;
}

/** Like `parseDigest`. @throws RegistryError `digest-invalid`, whose message says what is expected */
export function requireDigest(text: string): Digest {
  const digest = parseDigest(text);
  if (digest === undefined) {
    throw new RegistryError(
      'digest-invalid',
      'the digest must be sha256: and 64, or sha512: and 128, lower-case hex digits',
    );
  }
  return digest;
}

export function algorithmOf(digest: Digest): Algorithm {
  return digest.startsWith('sha512:') ? 'sha512' : 'sha256';
}

export function hexOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

export function digestFromHex(algorithm: Algorithm, hex: string): Digest {
  return `${algorithm}:${hex}` as Digest;
}

/** Hashes bytes that are all in memory. */
export function digestOf(algorithm: Algorithm, bytes: Uint8Array): Digest {
  return digestFromHex(algorithm, createHash(algorithm).update(bytes).digest('hex'));
}
