import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { versionKey } from './version-key.ts';

const number = fc.nat(30).map(String);
const identifier = fc.oneof(number, fc.stringMatching(/^[a-z-][0-9a-z-]{0,3}$/));
const versions = fc
  .tuple(number, number, number, fc.option(fc.array(identifier, { minLength: 1, maxLength: 3 }), { nil: undefined }))
  .map(
    ([major, minor, patch, before]) =>
      `${major}.${minor}.${patch}${before === undefined ? '' : `-${before.join('.')}`}`,
  );

test('the order of the keys is that of Semantic Versioning', () => {
  fc.assert(
    fc.property(versions, versions, (one, other) => {
      const [a, b] = [versionKey(one) ?? '', versionKey(other) ?? ''];
      expect([a < b, a === b]).toEqual([Bun.semver.order(one, other) < 0, Bun.semver.order(one, other) === 0]);
    }),
    { numRuns: 2_000 },
  );
});

test('tags with a v, with missing numbers and with build metadata are versions, others are not', () => {
  const same = ['1.2.0', 'v1.2', 'v1.2.0', '1.2.0_build.5'].map(versionKey);
  expect(new Set(same).size).toBe(1);
  for (const tag of ['latest', 'main', '1.2.3.4', 'v', 'sha256-abc', '1..2', '1.2-', '20261129T101010']) {
    expect(versionKey(tag)).toBeUndefined();
  }
});
