import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { RequestLabels } from './request-labels.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

/** Few values, so that an outcome often differs from the one before in a single field, or in none. */
const outcomes = fc.record({
  digest: fc.constantFrom(undefined, DIGEST),
  status: fc.constantFrom(200, 404),
  bytesIn: fc.constantFrom(0, 1),
  bytesOut: fc.constantFrom(0, 1),
});

test('the fields of each request have its own outcome, in the order of the log line', () => {
  fc.assert(
    fc.property(fc.array(outcomes), (requests) => {
      const labels = new RequestLabels('GET', '/v2/a/manifests/"', 'manifest-get', 'a', undefined);
      for (const { digest, status, bytesIn, bytesOut } of requests) {
        const named = digest === undefined ? '' : `,"digest":"${digest}"`;
        expect(labels.jsonWith({ digest, status, bytesIn, bytesOut })).toBe(
          `"method":"GET","path":"/v2/a/manifests/\\"","route":"manifest-get","repository":"a"${named},"status":${status},"bytesIn":${bytesIn},"bytesOut":${bytesOut}`,
        );
      }
    }),
  );
});
