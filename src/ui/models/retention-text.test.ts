import { expect, test } from 'bun:test';
import { parseDigest } from '../../oci/digest.ts';
import { parseTag } from '../../oci/names.ts';
import type { ReviewedRule, TagFate } from '../../retention/interface.ts';
import { entryText, fateOf } from './retention-text.ts';

const DAY = 86_400_000;
const tag = parseTag('main-1') ?? expect.unreachable();
const digest = parseDigest(`sha256:${'a'.repeat(64)}`) ?? expect.unreachable();
const FATE: TagFate = {
  ...{ tag, digest, pushedAt: 0, isImmutable: false, isKept: true, until: 9 },
  keptBy: [
    { entry: 2, which: 'pushed-within', until: 4 },
    { entry: 1, which: 'pulled-within', until: 9 },
  ],
};
const RULE: ReviewedRule = {
  ...{ name: 'builds', deleteUntagged: undefined },
  keep: [
    { tags: ['main-*'], which: { kind: 'pulled-within', duration: 14 * DAY } },
    { tags: ['*'], which: { kind: 'pushed-within', duration: 30 * DAY } },
  ],
};

test.each([
  ['every tag', { tags: ['*'], which: { kind: 'all' } }],
  ['tags named latest, v*', { tags: ['latest', 'v*'], which: { kind: 'all' } }],
  ['the newest 20 of main-*', { tags: ['main-*'], which: { kind: 'newest', count: 20 } }],
  ['pushed within 30 d', { tags: ['*'], which: { kind: 'pushed-within', duration: 30 * DAY } }],
  [
    'pulled within 24 h of a, b, c, d, e, f, …',
    { tags: [...'abcdefgh'], which: { kind: 'pulled-within', duration: DAY } },
  ],
] as const)('an entry that keeps %s says so', (text, entry) => {
  expect(entryText(entry)).toBe(text);
});

test('a tag is kept by the entry that keeps it the longest', () => {
  expect(fateOf(FATE, RULE)).toEqual({ kind: 'kept', until: 9, reason: 'pulled within 14 d of main-*' });
  const isEndless = {
    ...FATE,
    until: undefined,
    keptBy: [...FATE.keptBy, { entry: 2, which: 'all' as const, until: undefined }],
  };
  expect(fateOf(isEndless, RULE)).toEqual({ kind: 'kept', until: undefined, reason: 'pushed within 30 d' });
});

test('what is immutable stays, what nothing keeps goes, and a rule that deletes no tags says nothing', () => {
  expect(fateOf({ ...FATE, isImmutable: true }, RULE)).toEqual({ kind: 'immutable' });
  expect(fateOf({ ...FATE, isKept: false, keptBy: [] }, RULE)).toEqual({ kind: 'goes' });
  expect(fateOf(FATE, { ...RULE, keep: undefined })).toBeUndefined();
  expect(fateOf(FATE, undefined)).toBeUndefined();
});
