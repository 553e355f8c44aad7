// What a caller can make one answer read, in an index of which the caller sees little.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RepositoryName } from '../oci/names.ts';
import { IndexFile } from './index-file.ts';
import { parseQuery } from './query-text.ts';
import { Search } from './search.ts';
import { Visible } from './visible.ts';

const HIDDEN_ROWS = 30_000;
const VISIBLE_REPOSITORIES = 600;

const folder = mkdtempSync(join(tmpdir(), 'bounds-'));
const file = new IndexFile(folder, 'test');
const nameOf = (id: number) => `open/app-${id}` as RepositoryName;
/** The hidden repositories have lower ids, so that their rows come first. */
const ids = Array.from({ length: VISIBLE_REPOSITORIES }, (_, index) => HIDDEN_ROWS + 1 + index);
const visible = new Visible(
  ids.map((id) => ({ id, name: nameOf(id) })),
  false,
);
const few = new Visible([{ id: HIDDEN_ROWS + 1, name: nameOf(HIDDEN_ROWS + 1) }], false);
const none = new Visible([], false);
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
  const closed = new IndexFile(folder, 'closed');
  const search = new Search(closed.writer);
  closed.close();
  const counts = { repositories: 0, tags: 0, digests: 0, labels: 0 };
  expect(search.run(asked('release abcdef'), none)).toEqual({ hits: [], counts, isCut: false, more: false });
});

test('a digest is looked for by at least six digits', () => {
  for (const text of ['sha256:', 'sha256:abcde', 'abcde', 'team/app@sha256:abcde']) {
    expect([text, parseQuery(text).digest]).toEqual([text, undefined]);
  }
  for (const text of ['sha256:abcdef', 'abcdef', 'team/app@sha256:abcdef']) {
    expect(parseQuery(text).digest?.endsWith('abcdef')).toBe(true);
  }
});
