import { describe, expect, test } from 'bun:test';
import type { RepositoryName, Tag } from '../oci/names.ts';
import { RuleFileError } from '../rule-file/yaml-file.ts';
import { parsePolicy } from './policy-file.ts';

const DAY = 86_400_000;
const repo = (name: string) => name as RepositoryName;
const tag = (name: string) => name as Tag;

function problemOf(text: string): string {
  try {
    parsePolicy(text);
  } catch (error) {
    if (error instanceof RuleFileError) return error.message;
    throw error;
  }
  return 'none';
}

describe('a retention file', () => {
  const policy = parsePolicy(`
rules:
  - name: releases
    repositories: [library/*, 'team/**']
    immutable:
      tags: ['v*']
      except: ['v*-rc*']
    keep:
      - tags: ['v*', latest]
      - newest: 10
      - tags: [nightly-*]
        pushedWithin: 30d
      - pulledWithin: 36h
    deleteUntagged: 7d
  - repositories: [team/special]   # never reached: the rule before has it
    deleteUntagged: 1h
  - repositories: ['**']
`);

  test('is read with all it can say', () => {
    const [releases, second, rest] = policy.rules;
    expect([releases?.name, second?.name, rest?.name]).toEqual(['releases', 'rule 2', 'rule 3']);
    expect(releases?.keep?.map(({ which }) => which)).toEqual([
      { kind: 'all' },
      { kind: 'newest', count: 10 },
      { kind: 'pushed-within', duration: 30 * DAY },
      { kind: 'pulled-within', duration: 1.5 * DAY },
    ]);
    expect([releases?.deleteUntagged, second?.keep, rest?.deleteUntagged]).toEqual([7 * DAY, undefined, undefined]);
  });

  test('has one rule for each repository: the first that matches', () => {
    for (let time = 0; time < 2; time++) {
      expect(policy.ruleFor(repo('library/app'))?.name).toBe('releases');
      expect(policy.ruleFor(repo('team/special'))?.name).toBe('releases');
      expect(policy.ruleFor(repo('library/a/b'))?.name).toBe('rule 3');
    }
    expect([policy.tracksPushTimes(repo('team/x')), policy.tracksPushTimes(repo('other'))]).toEqual([true, false]);
    expect([policy.untaggedLifetime(repo('team/x')), policy.untaggedLifetime(repo('other'))]).toEqual([
      7 * DAY,
      undefined,
    ]);
    const narrow = parsePolicy('rules: [{repositories: [a], keep: [{tags: [x]}]}]');
    expect([narrow.ruleFor(repo('b')), narrow.tracksPushTimes(repo('a'))]).toEqual([undefined, false]);
    expect(narrow.isImmutable(repo('a'), tag('x'))).toBe(false);
  });

  test('says which tags are immutable', () => {
    const immutable = ['v1', 'v1-rc1', 'latest'].map((name) => policy.isImmutable(repo('team/a/b'), tag(name)));
    expect(immutable).toEqual([true, false, false]);
    expect(policy.isImmutable(repo('elsewhere'), tag('v1'))).toBe(false);
  });

  test.each([
    ['', 'line 1, column 1: Invalid input: expected object, received null'],
    ['rules: []', 'line 1, column 8 (rules): at least one rule is expected'],
    [
      'rules:\n  - keep: []',
      'line 2, column 5 (rules[0].repositories): Invalid input: expected array, received undefined',
    ],
    ['rules:\n  - repositories: []', 'line 2, column 19 (rules[0].repositories): at least one pattern is expected'],
    ['rules:\n  - repositories: [a]\n    kep: 1', 'line 3, column 10 (rules[0].kep): there is no such key'],
    [
      'rules:\n  - repositories: [a]\n    keep: []',
      'line 3, column 11 (rules[0].keep): an empty list would delete every tag; leave `keep` out to keep them all',
    ],
    [
      'rules:\n  - repositories: [a]\n    keep: [{}]',
      'line 3, column 12 (rules[0].keep[0]): one of tags, newest, pushedWithin, pulledWithin is expected',
    ],
    [
      'rules:\n  - repositories: [a]\n    keep:\n      - newest: 3\n        pushedWithin: 3d',
      'line 4, column 9 (rules[0].keep[0]): newest and pushedWithin in one entry: put each into a separate entry',
    ],
    [
      'rules:\n  - repositories: [a]\n    keep:\n      - newest: 0',
      'line 4, column 17 (rules[0].keep[0].newest): a number from 1 on is expected',
    ],
    [
      'rules:\n  - repositories: [a]\n    deleteUntagged: 3 days',
      'line 3, column 21 (rules[0].deleteUntagged): a duration like 500ms, 30s, 10m, 24h or 7d is expected, and not nothing',
    ],
    [
      'rules:\n  - repositories: [a]\n    deleteUntagged: 30',
      'line 3, column 21 (rules[0].deleteUntagged): a duration like 500ms, 30s, 10m, 24h or 7d is expected',
    ],
    [
      "rules:\n  - repositories: [a]\n    immutable: {tags: ['v[']}",
      'line 3, column 24 (rules[0].immutable.tags[0]): "v[" is not a pattern for a tag: only its characters, *, **, ?, [a-z], [^a-z] and {one,other} are allowed',
    ],
    ['rules: [{repositories: [a], repositories: [b]}]', 'line 1, column 29: Map keys must be unique'],
    ['rules:\n\t- x', 'line 2, column 1: Tabs are not allowed as indentation'],
    ['rules: *none', 'line 1, column 8: Unresolved alias (the anchor must be set before the alias)'],
    ['rules: {', 'line 1, column 9: Flow map in block collection must be sufficiently indented and end with a }'],
  ])('that is wrong is refused with its place: %#', (text, expected) => {
    expect(problemOf(text)).toBe(expected);
  });

  test.each([
    '[a] hunter2',
    '- *hunter2',
    '%hunter2 1',
    '- !!hunter2 x',
    '"\\hunter2"',
    '- |hunter2',
    '@hunter2',
    '{a: b} hunter2: x',
  ])('that was named by mistake is refused without what is in it: %s', (text) => {
    expect(problemOf(text)).not.toBe('none');
    expect(problemOf(text)).not.toContain('hunter2');
  });

  test('is refused in one line, whatever it is', () => {
    for (const text of ['a: b: c', '%YAML 9', '--- 1\n--- 2', '[', '\0', `x: ${'y'.repeat(1_000_001)}`, '&a [*a]']) {
      expect(problemOf(text)).not.toBe('none');
      expect(problemOf(text)).not.toContain('\n');
    }
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
    for (const [name, before] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf'].map((each) => [...each]))
      bomb.push(`${name}: &${name} [${Array(9).fill(`*${before}`).join(', ')}]`);
    expect(problemOf(bomb.join('\n'))).toContain('Excessive alias count');
  });
});
