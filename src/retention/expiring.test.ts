import { describe, expect, test } from 'bun:test';
import { foldOf, REPO, slotsOf, slotTime } from '../../test/support/slots.ts';
import type { JournalEvent } from '../journal/events.ts';
import { digestFromHex } from '../oci/digest.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import type { Incarnation, RepositoryName, Tag } from '../oci/names.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { RETENTION_EXPIRING } from '../storage/paths.ts';
import { EXPIRY_NOTICE, ExpiringTags, expiringTags, loadExpiring, MAX_EXPIRING, saveExpiring } from './expiring.ts';
import { Matches } from './matches.ts';
import { parsePolicy } from './policy-file.ts';

const HOUR = 3_600_000;
const digest = digestFromHex('sha256', '1'.repeat(64));
const other = digestFromHex('sha256', '2'.repeat(64));
const tag = (name: string) => name as Tag;
const repo = 'team/app' as RepositoryName;

const put: JournalEvent = {
  ...{ type: 'manifest.put', digest, size: 1, inc: '0'.repeat(26) as Incarnation, mediaType: OCI_INDEX, refs: [] },
};
const set = (name: string): JournalEvent => ({ type: 'tag.set', tag: tag(name), digest });
const pushed = foldOf(slotsOf([[put, set('v1'), set('v2'), set('a')]]));

function expiring(text: string, now: number): string[] {
  const rule = parsePolicy(`rules: [{repositories: ['**'], ${text}}]`).rules[0] ?? expect.unreachable();
  const times = { now, pulledAt: () => 0 };
  return expiringTags({ repo: REPO, rule, state: pushed, matches: new Matches(rule), times }).map((each) => each.tag);
}

describe('tags that retention will delete within a day', () => {
  test.each([
    ["keep: [{tags: ['v*'], pushedWithin: 30h}, {tags: [a]}]", ['v1', 'v2']],
    ["keep: [{pushedWithin: 30h}], immutable: {tags: ['v1']}", ['v2', 'a']],
    ['keep: [{pushedWithin: 30h}, {tags: [v1], newest: 1}, {tags: [v2], pulledWithin: 1h}]', ['a']],
    ["keep: [{tags: ['v*'], newest: 1}, {tags: [a]}]", []],
    ['keep: [{pulledWithin: 1h}]', []],
    ['deleteUntagged: 1h', []],
  ])('by %s', (text, expected) => {
    const at = slotTime(1);
    expect(expiring(text, at + 6 * HOUR + 1)).toEqual(expected);
    if (expected.length > 0) expect(expiring(text, at + 6 * HOUR)).toEqual([]);
  });

  test('are announced in the store, up to a bound, and looked up by what they point to', async () => {
    const driver = new MemoryDriver();
    const tags = new ExpiringTags();
    tags.replace(await loadExpiring(driver));
    expect(tags.isExpiring(repo, tag('v1'), digest)).toBe(false);
    const many = Array.from({ length: MAX_EXPIRING + 1 }, (_, each) => ({ repo, tag: tag(`v${each}`), digest }));
    await saveExpiring(driver, many);
    const loaded = await loadExpiring(driver);
    expect(loaded).toEqual(many.slice(0, MAX_EXPIRING));
    tags.replace(loaded);
    expect(tags.isExpiring(repo, tag('v1'), digest)).toBe(true);
    expect(tags.isExpiring(repo, tag('v1'), other)).toBe(false);
    expect(tags.isExpiring('team/other' as RepositoryName, tag('v1'), digest)).toBe(false);
    tags.replace([]);
    expect(tags.isExpiring(repo, tag('v1'), digest)).toBe(false);
  });

  test('are none where the announcement is damaged', async () => {
    const driver = new MemoryDriver();
    for (const text of ['', '{', '{}', '[1]', '[{"repo":"../x","tag":"v1","digest":"sha256:0"}]']) {
      await driver.put(RETENTION_EXPIRING, new TextEncoder().encode(text));
      expect(await loadExpiring(driver)).toEqual([]);
    }
  });
});

test('a policy knows of a tag that is pushed now whether it will stay for a day', () => {
  const policy = parsePolicy(`
rules:
  - repositories: [short/*]
    immutable: {tags: [stable]}
    keep: [{tags: ['nightly*'], pushedWithin: 12h}, {tags: ['week*'], pushedWithin: 7d}, {tags: ['v*'], newest: 3}]
  - repositories: [other/*]
    deleteUntagged: 1h
`);
  const stays = (name: string, of: string) => policy.keepsPushed(of as RepositoryName, tag(name), EXPIRY_NOTICE);
  expect(['nightly-1', 'weekly', 'v1', 'stable', 'unnamed'].map((name) => stays(name, 'short/app'))).toEqual([
    ...[false, true, true, true, false],
  ]);
  expect([stays('any', 'other/app'), stays('any', 'none'), policy.announces]).toEqual([true, true, true]);
  expect(parsePolicy('rules: [{repositories: [a], keep: [{newest: 1}]}]').announces).toBe(false);
});
