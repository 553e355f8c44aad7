import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { digests } from '../../../test/support/generators.ts';
import { isNotModified, notModified } from './conditional.ts';

const request = (tags: string | undefined): Request =>
  new Request('http://registry.example/', tags === undefined ? {} : { headers: { 'If-None-Match': tags } });

describe('If-None-Match', () => {
  test('that names the digest, weak or strong, alone or among others, or anything, means not modified', () => {
    fc.assert(
      fc.property(digests, digests, (digest, other) => {
        const own = `"${digest}"`;
        for (const header of [own, `W/${own}`, `"${other}", ${own}`, `"x" ,W/${own},"${other}"`, '*', ' * ']) {
          expect(isNotModified(request(header), digest)).toBe(true);
        }
      }),
    );
  });

  test('that names others, is torn or is missing, means modified', () => {
    fc.assert(
      fc.property(digests, digests, (digest, other) => {
        fc.pre(digest !== other);
        for (const header of [
          undefined,
          '',
          `"${other}"`,
          digest,
          `"${digest}`,
          `w/"${digest}"`,
          `"${digest}x"`,
          '"*"',
          '**',
        ]) {
          expect(isNotModified(request(header), digest)).toBe(false);
        }
      }),
    );
  });

  test('is answered without a body, with the tag that would match again', () => {
    fc.assert(
      fc.property(digests, (digest) => {
        const response = notModified(digest, { 'Cache-Control': 'no-cache' });
        expect([response.status, response.body]).toEqual([304, null]);
        expect(response.headers.get('cache-control')).toBe('no-cache');
        expect(isNotModified(request(response.headers.get('etag') ?? undefined), digest)).toBe(true);
      }),
    );
  });
});
