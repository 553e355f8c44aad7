import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { digests } from '../../../test/support/generators.ts';
import { isNotModified, notModified } from './conditional.ts';

const request = (tags: string | undefined): Request =>
  new Request('http://registry.example/', tags === undefined ? {} : { headers: { 'If-None-Match': tags } });

describe('If-None-Match', () => {
  test('with the digest, weak or strong, alone or in a list, or with *, means not modified', () => {
    fc.assert(
      fc.property(digests, digests, (digest, other) => {
        const own = `"${digest}"`;
        for (const header of [own, `W/${own}`, `"${other}", ${own}`, `"x" ,W/${own},"${other}"`, '*', ' * ']) {
          expect(isNotModified(request(header), digest)).toBe(true);
        }
      }),
    );
  });

  test('with other tags, malformed or missing, means modified', () => {
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

  test('gets a response without a body and with the same ETag', () => {
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
