// /api/v1: what all repositories have, over HTTP. The index follows pushes and deletes on any thread.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ApiDocument, documentOf, expectDocumented } from '../past/api-document.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, image, pushImage, pushManifest } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';

afterAll(cleanUp);

const SEARCH = '/api/v1/search';
const REPOSITORIES = '/api/v1/repositories';
const TAGS = '/api/v1/repositories/{repo}/tags';
const TOTALS = '/api/v1/totals';
const STORAGE = '/api/v1/storage';
const RETENTION = '/api/v1/repositories/{repo}/retention';
const OUTLOOK = '/api/v1/retention';
const SHARERS = '/api/v1/repositories/{repo}/blobs/{digest}/sharers';

const app = image();
const [, layer] = app.blobs;
let server: Server;
let document: ApiDocument;

interface Found {
  readonly hits: readonly { readonly kind: string; readonly repository: string; readonly tag?: string }[];
  readonly isComplete: boolean;
}

beforeAll(async () => {
  const rules = join(mkdtempSync(join(tmpdir(), 'rules-')), 'retention.yaml');
  writeFileSync(
    rules,
    "rules:\n  - name: releases\n    repositories: ['team/*']\n    keep: [{ tags: ['v*'] }, { pushedWithin: 30d }]\n  - repositories: ['pulled/*']\n    keep: [{ pulledWithin: 30d }]\n",
  );
  server = await startServer({ THREADS: '2', RETENTION_FILE: rules });
  document = await documentOf(server.url);
  await pushImage(server.url, 'team/app', app, 'v1');
  await pushImage(server.url, 'team/copy', app, 'v1');
});

async function get<T>(template: string, target: string, status = 200): Promise<T> {
  return (await expectDocumented(server.url, document, [template, target], status)) as T;
}

const search = (text: string): Promise<Found> => get(SEARCH, `${SEARCH}?q=${encodeURIComponent(text)}`);

test('a push is found by the next search, and a deleted tag no more', async () => {
  await eventually(async () => expect((await search('team')).isComplete).toBe(true));
  for (let round = 0; round < 5; round++) {
    const tag = `release-${round}`;
    await pushManifest(server.url, 'team/app', app, tag);
    // Another thread may answer, and writes of that thread are reported when the answer is made.
    await eventually(async () => expect((await search(tag)).hits).toMatchObject([{ kind: 'tag', tag }]));
    await expectStatus(202, `${server.url}/v2/team/app/manifests/${tag}`, { method: 'DELETE' });
    await eventually(async () => expect((await search(tag)).hits).toEqual([]));
  }
  await pushImage(server.url, 'brand/new', image(), 'v1');
  await eventually(async () => expect((await search('brand')).hits).toMatchObject([{ kind: 'repository' }]));
});

test('summaries, tags, sums and storage are as documented', async () => {
  interface Summaries {
    readonly repositories: readonly { readonly name: string; readonly bytes: number; readonly shared: number }[];
    readonly next?: string;
  }
  const first = await get<Summaries>(REPOSITORIES, `${REPOSITORIES}?sort=size&n=1&under=team`);
  expect(first.repositories[0]?.shared).toBe(first.repositories[0]?.bytes ?? -1);
  const second = await get<Summaries>(REPOSITORIES, `${REPOSITORIES}?sort=size&n=1&under=team&after=${first.next}`);
  expect([first, second].map(({ repositories }) => repositories[0]?.name).sort()).toEqual(['team/app', 'team/copy']);
  const { tags } = await get<{ tags: readonly { tag: string }[] }>(
    TAGS,
    '/api/v1/repositories/team/app/tags?sort=version',
  );
  expect(tags).toMatchObject([{ tag: 'v1', digest: app.descriptor.digest, kind: 'image', by: 'anonymous' }]);
  const totals = await get<{ bytes: number; stored: number }>(TOTALS, TOTALS);
  expect(totals.bytes - totals.stored).toBe(first.repositories[0]?.bytes ?? -1);
  const storage = await get<{ repositories: readonly object[] }>(STORAGE, `${STORAGE}?repository=team/app`);
  expect(storage.repositories).toMatchObject([{ name: 'team/app', rest: { count: 0, bytes: 0 } }]);
  interface Unused {
    readonly oldest: readonly { readonly set: string; readonly unusedSince: string }[];
    readonly knowsPulls: boolean;
  }
  const { oldest, knowsPulls } = await get<Unused>(STORAGE, STORAGE);
  // A rule depends on pulls. What was pushed after they were first recorded has been used since then.
  expect([knowsPulls, oldest.map(({ unusedSince }) => unusedSince)]).toEqual([true, oldest.map(({ set }) => set)]);
  const digest = layer?.descriptor.digest ?? '';
  const { repositories } = await get<{ repositories: string[] }>(
    SHARERS,
    `/api/v1/repositories/team/app/blobs/${digest}/sharers`,
  );
  expect(repositories).toEqual(['team/copy']);
});

test('retention explains why it keeps a tag, and until when', async () => {
  await pushManifest(server.url, 'team/app', app, 'nightly');
  interface Explained {
    readonly rule?: string;
    readonly tags: readonly { readonly tag: string; readonly until?: string; readonly keptBy: readonly object[] }[];
    readonly next?: number;
  }
  const base = '/api/v1/repositories/team/app/retention';
  const { rule, tags } = await get<Explained>(RETENTION, base);
  expect([rule, tags.map(({ tag }) => tag)]).toEqual(['releases', ['nightly', 'v1']]);
  expect(tags[0]?.keptBy).toMatchObject([{ entry: 2, which: 'pushed-within', until: tags[0]?.until }]);
  expect([tags[1]?.until, tags[1]?.keptBy.length]).toEqual([undefined, 2]);
  expect(await get<Explained>(RETENTION, `${base}?n=1`)).toMatchObject({ tags: [{ tag: 'nightly' }], next: 1 });
  expect(await get<Explained>(RETENTION, `${base}?q=V1`)).toMatchObject({ tags: [{ tag: 'v1' }] });
  await get(RETENTION, '/api/v1/repositories/no/such/retention', 404);
  expect((await get<Explained>(RETENTION, '/api/v1/repositories/brand/new/retention')).rule).toBeUndefined();
});

test('what goes next from all repositories is worked out in the background when somebody asks', async () => {
  interface Outlook {
    readonly hasRules: boolean;
    readonly computed?: string;
    readonly rules: readonly object[];
    readonly tags: readonly { readonly repository: string; readonly tag: string; readonly goes: string }[];
  }
  await pushImage(server.url, 'pulled/app', image(), 'v1');
  await eventually(async () => {
    const { hasRules, computed, rules, tags } = await get<Outlook>(OUTLOOK, `${OUTLOOK}?n=10`);
    expect([hasRules, typeof computed]).toEqual([true, 'string']);
    expect(rules).toMatchObject([{ name: 'releases', keep: [{ keeps: 'all' }, { keeps: 'pushed-within' }] }, {}]);
    expect(tags).toContainEqual(expect.objectContaining({ repository: 'pulled/app', tag: 'v1', goes: 'at', entry: 1 }));
  });
});

test('what does not exist is 404, and what is malformed 400', async () => {
  await get(TAGS, '/api/v1/repositories/no/such/tags', 404);
  await get(SHARERS, `/api/v1/repositories/no/such/blobs/${app.descriptor.digest}/sharers`, 404);
  for (const query of ['', '?q=a&n=0', '?q=a&after=x', `?q=${'a'.repeat(300)}`]) await get(SEARCH, SEARCH + query, 400);
  for (const query of ['?sort=random', '?after=nonsense', '?under=-'])
    await get(REPOSITORIES, REPOSITORIES + query, 400);
});
