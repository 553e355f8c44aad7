import { expect, test } from 'bun:test';
import { FingerprintSet } from './fingerprint-set.ts';

test('contains exactly the added strings, also while it grows', () => {
  const set = new FingerprintSet();
  const many = 20_000;
  for (let each = 0; each < many; each++) expect(set.add(`in ${each}`)).toBeTrue();
  for (let each = 0; each < many; each++) {
    expect(set.add(`in ${each}`)).toBeFalse();
    expect(set.has(`in ${each}`)).toBeTrue();
    expect(set.has(`out ${each}`)).toBeFalse();
  }
});
