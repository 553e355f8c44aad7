// What the pages of a repository and of its manifests say and do: copies of tags, retention, pins, shared content, deletes. Without scripts.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { documentOf, expectDocumented } from '../past/api-document.ts';
import { eventually } from '../support/eventually.ts';
import { indexed } from '../support/indexed.ts';
import { image, index, pushImage, pushManifest, randomBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { hiddenFields, Visitor } from './page-client.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const RULES = `
rules:
  - name: releases
    repositories: ['team/*']
    immutable: { tags: ['v*'] }
    keep:
      - tags: ['v*', 'stable']
      - tags: ['main-*']
        newest: 2
      - pushedWithin: 30d
    deleteUntagged: 7d
`;
const REPO = 'team/app';
const PAGE = `/ui/repositories/${REPO}`;
const [base, first, second] = [randomBlob(5_000), randomBlob(2_000), randomBlob(3_000)];
const [old, current] = [image({ layers: [base, first] }), image({ layers: [base, second] })];

let server: Server;
let visitor: Visitor;
beforeAll(async () => {
  const RETENTION_FILE = join(temporaryFolder('rules'), 'retention.yaml');
  writeFileSync(RETENTION_FILE, RULES);
  server = await startServer({ THREADS: '1', RETENTION_FILE });
  visitor = new Visitor(server.url);
  await pushImage(server.url, REPO, old, 'main-1');
  await pushImage(server.url, REPO, current, 'v1');
  await pushManifest(server.url, REPO, current, 'nightly');
  await pushImage(server.url, 'other/app', image({ layers: [base] }), 'latest');
  await indexed(server.url, 2);
});

const tagged = (tag: string): string => `${PAGE}:${tag}`;
const action = (name: 'delete' | 'restore' | 'tag' | 'pin' | 'unpin'): string => `${PAGE}/-/${name}`;
const shows = async (address: string): Promise<string> => textOf((await visitor.get(address)).html);

/** As a person reads it: without tags, and with single spaces. */
function textOf(html: string): string {
  const parts: string[] = [];
  new HTMLRewriter()
    .on('main *', {
      text({ text }) {
        parts.push(text);
      },
    })
    .transform(html);
  return parts
    .join(' ')
    .replace(/&#?\w+;/g, (each) => ENTITIES[each] ?? each)
    .replace(/\s+/g, ' ');
}

const ENTITIES: Readonly<Record<string, string>> = { '&quot;': '"', '&amp;': '&', '&lt;': '<', '&gt;': '>' };

async function digestOf(tag: string): Promise<string | null> {
  const target = `${server.url}/v2/${REPO}/manifests/${tag}`;
  const response = await fetch(target, { method: 'HEAD', signal: AbortSignal.timeout(30_000) });
  return response.headers.get('docker-content-digest');
}

test('the page says which rule applies, which entry keeps each tag and until when, and which tags are immutable', async () => {
  const text = await shows(PAGE);
  for (const part of ['releases', 'tags named v*, stable', 'the newest 2 of main-*', 'pushed within 30 d']) {
    expect(text).toContain(part);
  }
  expect(text).toContain('Manifests without a tag go after 7 d');
  expect(text).toMatch(/main-1 .*Kept: the newest 2 of main-\*/);
  expect(text).toMatch(/nightly .*Goes in 29 d \( ?pushed within 30 d ?\)/);
  expect(text).toMatch(/Immutable v1/);
  const { html } = await visitor.get(PAGE);
  expect(html).toContain('aria-label="Choose nightly"');
  expect(html).not.toContain('aria-label="Choose v1"');
});

test('layers say which other repositories have them, and the sums say how much is shared', async () => {
  const text = await shows(tagged('v1'));
  expect(text).toContain('Shared with other/app');
  expect(text).toContain('4.88 KiB shared');
  expect(await shows(PAGE)).toContain('4.88 KiB shared');
});

test('a manifest gets another tag, which is copied on the server', async () => {
  const added = await visitor.submit(tagged('main-1'), action('tag'), [['name', 'stable']]);
  expect([added.status, added.location]).toEqual([303, tagged('stable')]);
  expect(await digestOf('stable')).toBe(old.descriptor.digest);
  // A second time it is there already.
  expect((await visitor.submit(tagged('main-1'), action('tag'), [['name', 'stable']])).status).toBe(303);
  for (const name of ['', '-x', 'a b', 'x'.repeat(129)]) {
    expect((await visitor.submit(tagged('main-1'), action('tag'), [['name', name]])).status).toBe(400);
  }
});

test('a tag of another manifest is moved after a question, if it is still what it was then', async () => {
  const asked = await visitor.submit(tagged('main-1'), action('tag'), [['name', 'nightly']]);
  expect([asked.status, textOf(asked.html)]).toEqual([200, expect.stringContaining('Move nightly of team/app?')]);
  expect(await digestOf('nightly')).toBe(current.descriptor.digest);
  const answer = hiddenFields(asked.html, action('tag'));
  expect((await visitor.post(action('tag'), answer)).location).toBe(tagged('nightly'));
  expect(await digestOf('nightly')).toBe(old.descriptor.digest);
  const { status, html } = await visitor.post(action('tag'), answer);
  expect([status, await digestOf('nightly')]).toEqual([412, old.descriptor.digest]);
  expect(html).toContain('<!doctype html>');
});

test('the page of the storage says what goes next from all repositories, by every kind of rule, and as of when', async () => {
  await pushManifest(server.url, REPO, old, 'main-2');
  await eventually(async () => {
    const text = await shows('/ui/storage');
    expect(text).toMatch(/team\/ ?app ?: ?nightly in 29 d pushed within 30 d/);
    expect(text).toMatch(/as of (?:just now|\d+ min ago)/);
    expect(text).toMatch(/Tags named v\*, stable \d+ The newest 2 of main-\* 2 Pushed within 30 d \d+/);
    expect(text).toContain('A run would delete nothing.');
  });
});

test('an immutable tag can neither be moved nor deleted, and the pages say so', async () => {
  const text = await shows(tagged('v1'));
  expect(text).toContain('it can neither be moved nor deleted');
  expect(text).not.toContain('Delete this tag');
  const asked = await visitor.submit(tagged('main-1'), action('tag'), [['name', 'v1']]);
  expect((await visitor.post(action('tag'), hiddenFields(asked.html, action('tag')))).status).toBe(403);
  const planned = await visitor.submit(PAGE, action('delete'), [['tag', 'v1']]);
  expect(textOf(planned.html)).toMatch(/Delete 0 tags of team\/app\?.*immutable, so they stay: v1/);
});

test('before a delete the page says what loses its last tag, what stays, and what is freed when', async () => {
  const [part, other] = [image({ layers: [randomBlob(10_000)] }), image({ layers: [base] })];
  for (const each of [part, other]) await pushImage(server.url, REPO, each);
  await pushManifest(server.url, REPO, index([part]), 'whole');
  await pushManifest(server.url, REPO, other, 'one');
  await pushManifest(server.url, REPO, other, 'two');
  const chosen = ['whole', 'one', 'gone'].map((tag): [string, string] => ['tag', tag]);
  const asked = await visitor.submit(PAGE, action('delete'), chosen);
  const text = textOf(asked.html);
  expect(text).toMatch(/whole .*The manifest loses its last tag\./);
  expect(text).toMatch(/one .*The manifest stays as two\./);
  expect(text).toMatch(/needs 2 manifests and 2 blobs \(10\.\d KiB\)\. Retention deletes them in 7 d/);
  expect(text).toContain('Gone already: gone');

  const deleted = await visitor.post(action('delete'), hiddenFields(asked.html, action('delete')));
  expect([await digestOf('whole'), await digestOf('one')]).toEqual([null, null]);
  const after = await visitor.get(deleted.location ?? '');
  expect(textOf(after.html)).toContain('Deleted 2 tags.');
  await visitor.post(action('restore'), hiddenFields(after.html, action('restore')));
  expect([await digestOf('whole'), await digestOf('one')]).toEqual([
    index([part]).descriptor.digest,
    other.descriptor.digest,
  ]);
});

test('a repository is pinned and unpinned, and the API tells the same', async () => {
  const document = await documentOf(server.url);
  const template = '/api/v1/repositories/{repo}/pins';
  const pinned = async () =>
    (await expectDocumented(server.url, document, [template, `/api/v1/repositories/${REPO}/pins`], 200)) as {
      pins: { name: string; repositories: number }[];
    };
  const named = (name: string): [string, string][] => [
    ['days', '90'],
    ['name', name],
  ];
  expect((await visitor.submit(PAGE, action('pin'), named('q3-audit'))).status).toBe(303);
  expect(await shows(PAGE)).toMatch(/q3-audit .*as it was .*ends in 89 d/);
  expect((await pinned()).pins).toMatchObject([{ name: 'q3-audit', repositories: 1 }]);
  expect((await visitor.submit(PAGE, action('pin'), named('q3-audit'))).status).toBe(400);
  expect((await visitor.submit(PAGE, action('pin'), named('Q3 <audit>'))).status).toBe(400);
  expect((await visitor.submit(PAGE, action('unpin'))).status).toBe(303);
  expect((await pinned()).pins).toEqual([]);
});
