// What a caller can make one answer read, in an index of which the caller sees little.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { raise } from '../../test/support/raise.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import { IndexFile } from './index-file.ts';
import { parseQuery } from './query-text.ts';
import { Repositories } from './repositories.ts';
import { Search } from './search.ts';
import { Storage } from './storage.ts';
import { Visible } from './visible.ts';

const HIDDEN_ROWS = 30_000;
const VISIBLE_REPOSITORIES = 600;

const folder = mkdtempSync(join(tmpdir(), 'bounds-'));
const file = new IndexFile(folder, 'test', raise);
const nameOf = (id: number) => `open/app-${id}` as RepositoryName;
/** The hidden repositories have lower ids, so that their rows come first. */
const ids = Array.from({ length: VISIBLE_REPOSITORIES }, (_, index) => HIDDEN_ROWS + 1 + index);
const visible = new Visible(
  ids.map((id) => ({ id, name: nameOf(id) })),
  false,
);
const few = new Visible([{ id: HIDDEN_ROWS + 1, name: nameOf(HIDDEN_ROWS + 1) }], false);
const none = new Visible([], false);
const everything = { repositories: 10, parts: 10 };
const asked = (text: string) => ({ text, offset: 0, limit: 100 });

/** Every repository has one tag, one content and one label, all alike. */
beforeAll(() => {
  const { writer } = file;
  const numbers = `WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < ${HIDDEN_ROWS + VISIBLE_REPOSITORIES})`;
  const seen = `id > ${HIDDEN_ROWS}`;
  writer.transaction(() => {
    writer.run(`INSERT INTO repository (id, name, seq, present, tags, links, bytes) ${numbers}
      SELECT id, iif(${seen}, 'open/app-', 'secret/app-') || id, 1, 1, 1, 1, 10 FROM n`);
    writer.run(`INSERT INTO content (id, digest, size, links) ${numbers}
      SELECT id, 'sha256:abcdef' || printf('%058x', id), iif(${seen}, 10, 20), 1 FROM n`);
    writer.run(`INSERT INTO link (repo, content, size, inc) ${numbers} SELECT id, id, 10, 'inc' FROM n`);
    writer.run(`INSERT INTO manifest (id, repo, digest, inc, size, total, media_type, kind, put_at) ${numbers}
      SELECT id, id, 'sha256:abcdef' || printf('%058x', id), 'inc', 10, 10, 'type', 'image', id FROM n`);
    writer.run(`INSERT INTO tag (repo, name, digest, set_at) ${numbers}
      SELECT id, iif(${seen}, 'release-1', 'release-' || id), 'sha256:abcdef' || printf('%058x', id), id FROM n`);
    writer.run(
      `INSERT INTO tag_name (id, name, folded) ${numbers} SELECT id, 'release-' || id, 'release-' || id FROM n`,
    );
    writer.run(`INSERT INTO tag_text (rowid, folded) SELECT id, folded FROM tag_name`);
    writer.run(`INSERT INTO label (id, repo, key, value) ${numbers} SELECT id, id, 'maintainer', 'Ann' FROM n`);
    writer.run(`INSERT INTO label_text (rowid, key, value) SELECT id, key, value FROM label`);
  })();
});

afterAll(() => {
  file.close();
  rmSync(folder, { recursive: true });
});

test('a search ends after a number of rows that the caller may not see, and says so', () => {
  const search = new Search(file.writer);
  for (const text of ['sha256:abcdef', 'abcdef', 'maintainer', 'elease']) {
    expect([text, search.run(asked(text), visible).isCut]).toEqual([text, true]);
  }
});

test('exact matches are found before the others are looked at', () => {
  const search = new Search(file.writer);
  const { counts } = search.run(asked('release-1'), visible);
  expect(counts.tags).toBe(VISIBLE_REPOSITORIES);
  expect(search.run(asked('release-1'), few)).toMatchObject({ counts: { tags: 1 }, isCut: false });
  const digest = `sha256:abcdef${(HIDDEN_ROWS + 1).toString(16).padStart(58, '0')}`;
  expect(search.run(asked(digest), few)).toMatchObject({ counts: { digests: 1 }, isCut: false });
});

test('a caller who sees nothing gets nothing, and nothing is read', () => {
  const closed = new IndexFile(folder, 'closed', raise);
  const search = new Search(closed.writer);
  const storage = new Storage(closed.writer);
  const repositories = new Repositories(closed.writer);
  closed.close();
  const counts = { repositories: 0, tags: 0, digests: 0, labels: 0 };
  expect(search.run(asked('release abcdef'), none)).toEqual({ hits: [], counts, isCut: false, more: false });
  expect(storage.totals(none)).toEqual({ repositories: 0, tags: 0, bytes: 0, stored: 0 });
  const rest = { count: 0, bytes: 0 };
  expect(storage.report(everything, none)).toEqual({
    repositories: [],
    rest,
    largest: [],
    oldest: [],
    knowsPulls: false,
  });
  expect(repositories.page({ sort: 'name', limit: 10 }, none, 0).items).toEqual([]);
});

test('the oldest visible tags are found behind any number of hidden ones', () => {
  const storage = new Storage(file.writer);
  const [tag] = storage.report(everything, few).oldest;
  expect(tag).toMatchObject({ repository: nameOf(HIDDEN_ROWS + 1), tag: 'release-1' });
  expect(storage.report(everything, visible).oldest).toHaveLength(100);
  const only = { ...everything, repo: nameOf(HIDDEN_ROWS + 2) };
  expect(storage.report(only, visible).oldest.map(({ repository }) => repository)).toEqual([only.repo]);
  expect(storage.report({ ...only, repo: 'secret/app-1' as RepositoryName }, visible).oldest).toEqual([]);
});

test('a tag that was pulled counts as used since then, however long ago it was set', () => {
  const storage = new Storage(file.writer);
  const [first] = ids;
  const pulledAt = (repo: RepositoryName): number => (repo === nameOf(first ?? 0) ? Date.UTC(2030, 0, 1) : 0);
  const { oldest, knowsPulls } = storage.report(everything, visible, pulledAt);
  expect(knowsPulls).toBe(true);
  expect(oldest.map(({ repository }) => repository)).toEqual(ids.slice(1, 101).map(nameOf));
  const own = storage.report({ ...everything, repo: nameOf(first ?? 0) }, visible, pulledAt);
  expect(own.oldest).toMatchObject([{ unusedSince: '2030-01-01T00:00:00.000Z' }]);
});

test('who shares is not counted any further than an answer may read', () => {
  // The hidden sharers are more than the visible repositories, so these are looked at one by one for each content.
  const { writer } = file;
  const shared = 200;
  const [first] = ids;
  const hiddenSharers = 700;
  writer.transaction(() => {
    for (let number = 0; number < shared; number++) {
      const digest = `sha256:${String(number).padStart(64, '0')}`;
      const id = 1_000_000 + number;
      writer.run('INSERT INTO content (id, digest, size, links) VALUES (?, ?, 10, ?)', [id, digest, hiddenSharers + 1]);
      writer.run(
        `INSERT INTO link (repo, content, size, inc) SELECT id, ${id}, 10, 'inc' FROM repository WHERE id <= ${hiddenSharers}`,
      );
      writer.run('INSERT INTO link (repo, content, size, inc) VALUES (?, ?, 10, ?)', [first ?? 0, id, 'inc']);
    }
    writer.run('UPDATE repository SET shared = 2000, links = 201, bytes = 2010 WHERE id = ?', [first ?? 0]);
  })();
  const [found] = new Storage(writer).report({ repositories: 1, parts: 500 }, visible).repositories;
  expect(found?.name).toBe(nameOf(first ?? 0));
  expect(found?.shared).toBeUndefined();
  expect(found?.parts[0]?.sharedWith).toBe(0);
  expect(found?.parts.at(-2)?.sharedWith).toBeUndefined();
  const [exact] = new Storage(writer).report({ repositories: 1, parts: 500 }, few).repositories;
  expect([exact?.shared, exact?.parts.at(-2)?.sharedWith]).toEqual([0, 0]);
});

test('each of several contents lists the visible repositories that have it, as far as an answer may read', () => {
  const { writer } = file;
  const storage = new Storage(writer);
  const digestOf = (id: number) => `sha256:abcdef${id.toString(16).padStart(58, '0')}` as Digest;
  const [first = 0, second = 0, third = 0] = ids;
  for (const repo of [1, second, third])
    writer.run('INSERT INTO link (repo, content, size, inc) VALUES (?, ?, 10, ?)', [repo, first, 'inc']);
  writer.run('UPDATE content SET links = 4 WHERE id = ?', [first]);
  const sharersOf = (limit: number, seen: Visible) => storage.sharersOf([digestOf(first)], nameOf(first), limit, seen);
  expect(sharersOf(9, visible)).toEqual(new Map([[digestOf(first), [nameOf(second), nameOf(third)].sort()]]));
  expect(sharersOf(1, visible).get(digestOf(first))).toHaveLength(1);
  expect(sharersOf(9, few)).toEqual(new Map([[digestOf(first), []]]));
  const unknown = `sha256:${'9'.repeat(64)}` as Digest;
  expect(storage.sharersOf([unknown], nameOf(first), 9, visible)).toEqual(new Map([[unknown, []]]));
  // Each of these has 700 hidden sharers, of the test before.
  const hidden = Array.from({ length: 200 }, (_, at) => `sha256:${String(at).padStart(64, '0')}` as Digest);
  const found = storage.sharersOf(hidden, nameOf(first), 9, visible);
  expect([found.size > 0, found.size < 200, found.get(hidden[0] ?? unknown)]).toEqual([true, true, []]);
});

test('a digest is looked for by at least six digits', () => {
  for (const text of ['sha256:', 'sha256:abcde', 'abcde', 'team/app@sha256:abcde']) {
    expect([text, parseQuery(text).digest]).toEqual([text, undefined]);
  }
  for (const text of ['sha256:abcdef', 'abcdef', 'team/app@sha256:abcdef']) {
    expect(parseQuery(text).digest?.endsWith('abcdef')).toBe(true);
  }
});
