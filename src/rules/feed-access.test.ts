import { beforeEach, expect, test } from 'bun:test';
import { hints, openFeed, openNotes, tagEvents, writeRepository } from '../../test/support/feed.ts';
import { ANONYMOUS_CALLER, type Caller } from '../access/access.ts';
import { parseAccessFile } from '../access/rules/access-file.ts';
import { RulesPolicy } from '../access/rules/policy.ts';
import { ALL_CHANGES } from '../feed/feed.ts';
import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { noteKey } from '../storage/paths.ts';
import { FeedAccess } from './feed-access.ts';

const NOTES = 50;
const SIGNAL = new AbortController().signal;
const OPTIONS = { filter: ALL_CHANGES, limit: 100, signal: SIGNAL };
const reader: Caller = { ...ANONYMOUS_CALLER, authority: { kind: 'identity', identity: { kind: 'user', name: 'x' } } };

/** The notes that were read, by their keys. */
const read = new Set<string>();

class WatchedDriver extends MemoryDriver {
  override read(key: string): Promise<Uint8Array | undefined> {
    read.add(key);
    return super.read(key);
  }
}

const rules = parseAccessFile("rules: [{who: x, repositories: ['team/**'], actions: [pull]}]");
let driver: WatchedDriver;

beforeEach(async () => {
  driver = new WatchedDriver();
  const notes = openNotes(driver);
  await writeRepository(driver, 'team/app', tagEvents(NOTES));
  await writeRepository(driver, 'secret/app', tagEvents(NOTES));
  for (let to = 1; to <= NOTES; to++) await notes.append(hints({ 'team/app': to, 'secret/app': to }));
  read.clear();
});

function openGuarded(): FeedAccess {
  return new FeedAccess(openFeed(driver), new RulesPolicy(() => rules));
}

test('only changes of repositories that the caller may pull from are shown', async () => {
  const feed = openGuarded();
  const { changes } = await feed.page(await feed.start({ kind: 'beginning' }), OPTIONS, reader);
  const latest = await feed.latest({ ...OPTIONS, before: undefined }, reader);
  for (const shown of [changes, latest.changes]) {
    expect(shown.length).toBe(NOTES);
    expect([...new Set(shown.map(({ repository }) => repository))]).toEqual(['team/app' as RepositoryName]);
  }
});

test('the filter of a caller is asked only about repositories that the caller may pull from', async () => {
  const asked = new Set<string>();
  const filter = { ...ALL_CHANGES, includes: (repo: RepositoryName) => asked.add(repo).size === 0 };
  const feed = openGuarded();
  const options = { ...OPTIONS, filter };
  await feed.page(await feed.start({ kind: 'beginning' }), options, reader);
  await feed.latest({ ...options, before: undefined }, reader);
  expect([...asked]).toEqual(['team/app']);
});

test('for a caller that may pull from no repository, no notes are read but the newest and those of its cursor', async () => {
  const feed = openGuarded();
  const start = await feed.start({ kind: 'beginning' });
  const page = await feed.page(start, OPTIONS, ANONYMOUS_CALLER);
  expect([page.changes, page.more]).toEqual([[], false]);
  const latest = await feed.latest({ ...OPTIONS, before: start }, ANONYMOUS_CALLER);
  expect([latest.changes, latest.earlier]).toEqual([[], undefined]);
  expect([...read].filter((key) => key !== noteKey(NOTES))).toEqual([]);
  // It can wait there, because nothing comes after it.
  const until = performance.now() + 60_000;
  const stop = new AbortController();
  expect((await feed.page(page.cursor, OPTIONS, reader)).changes).toEqual([]);
  let isWaiting = true;
  const waited = feed.wait(page.cursor, { until, signal: stop.signal }).then(() => {
    isWaiting = false;
  });
  await Bun.sleep(10);
  expect(isWaiting).toBe(true);
  stop.abort();
  await waited;
});

test('a text that is no cursor is refused for every caller', async () => {
  const feed = openGuarded();
  for (const caller of [reader, ANONYMOUS_CALLER]) {
    for (const refused of [
      feed.page('forged' as never, OPTIONS, caller),
      feed.latest({ ...OPTIONS, before: 'forged' }, caller),
    ]) {
      const error = await refused.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(RegistryError);
      expect(error).toMatchObject({ kind: 'cursor-invalid' });
    }
  }
});
