import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { repositoryNames } from '../../test/support/generators.ts';
import type { RepositoryName } from '../oci/names.ts';
import { PastNames } from './past-names.ts';

const name = (text: string) => text as RepositoryName;
const names = new PastNames('at');
const until = Date.parse('2026-11-28T10:15:00.999Z');

describe('names of the past', () => {
  test('stand for a repository at a moment', () => {
    fc.assert(
      fc.property(repositoryNames, (repo) => {
        const past = names.parse(name(`at/20261128t101500z/${repo}`));
        expect(past).toEqual({ moment: { kind: 'time', until }, repo });
      }),
    );
  });

  test('are no names of repositories of today, and these are none of them', () => {
    for (const text of [
      'at',
      'at/app',
      'at/20261128',
      'at/20261128t101500z',
      'at/latest/app',
      'att/20261128/app',
      'team/at/20261128/app',
    ]) {
      expect(names.parse(name(text))).toBeUndefined();
    }
  });

  test('keep everything below the prefix free', () => {
    for (const text of ['at', 'at/app', 'at/20261128/app']) expect(names.isReserved(name(text))).toBe(true);
    for (const text of ['att', 'at-home/app', 'team/at']) expect(names.isReserved(name(text))).toBe(false);
  });

  test('have a base under which the whole registry stands', () => {
    expect(names.parseBase(name('at/20261128t101500z'))).toEqual({ kind: 'time', until });
    for (const text of ['at', 'at/app', 'at/20261128/app']) expect(names.parseBase(name(text))).toBeUndefined();
  });

  test('do not exist without a prefix', () => {
    const none = new PastNames('');
    for (const text of ['at/20261128/app', '20261128/app', 'app']) {
      expect(none.parse(name(text))).toBeUndefined();
      expect(none.parseBase(name(text))).toBeUndefined();
      expect(none.isReserved(name(text))).toBe(false);
    }
  });
});
