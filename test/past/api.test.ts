// /api/v1: every answer is as the OpenAPI document says, and tells what happened.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { ENDPOINTS } from '../../src/http/api/endpoints.ts';
import { becomesNoted } from '../replica/replicas.ts';
import { eventually } from '../support/eventually.ts';
import { content, expectStatus, image, index, json, mediaTypes, pushImage, pushManifest } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { type ApiDocument, documentedDefaults, documentOf, expectDocumented } from './api-document.ts';

afterAll(cleanUp);

const HISTORY = '/api/v1/repositories/{repo}/tags/{tag}/history';
const DIFF = '/api/v1/repositories/{repo}/diff';
const REPOSITORY = '/api/v1/repositories/{repo}';
const [first, second] = [image(), image()];
const signature = image({ subject: first.descriptor, artifactType: 'application/vnd.example.signature' });
const config = (env: readonly string[]) =>
  json({ architecture: 'amd64', os: 'linux', config: { Env: env } }, mediaTypes.config);
const layers = [...first.blobs.slice(1)];
const plain = image({ config: config(['PATH=/bin', 'A=1']), layers });
const changed = image({ config: config(['PATH=/bin', 'B=2']), layers: [...layers, ...second.blobs.slice(1)] });

let server: Server;
let document: ApiDocument;

beforeAll(async () => {
  server = await startServer();
  const { url } = server;
  document = await documentOf(url);
  await pushImage(url, 'team/app', first, 'latest');
  await pushImage(url, 'team/app', second, 'latest');
  await pushImage(url, 'team/app', signature);
  await expectStatus(202, `${url}/v2/team/app/manifests/latest`, { method: 'DELETE' });
  await pushManifest(url, 'team/app', first, 'v1');
  await pushImage(url, 'team/images', plain, 'plain');
  await pushImage(url, 'team/images', changed, 'changed');
  await pushManifest(url, 'team/images', index([plain]), 'one');
  await pushManifest(url, 'team/images', index([plain, changed]), 'two');
  // Names that look like addresses of something in a repository.
  await pushImage(url, 'team/app/diff', first, 'v1');
  await pushImage(url, 'team/app/tags/latest/history', first, 'v1');
});

async function get<T>(template: string, target: string, status = 200): Promise<T> {
  return (await expectDocumented(server.url, document, [template, target], status)) as T;
}

test('defaults of parameters are in the form that callers write, and answer the same as no parameter', async () => {
  const defaults = documentedDefaults(document);
  const changes = '/api/v1/changes';
  expect(defaults).toMatchObject({
    [`${changes} since`]: 'beginning',
    [`${changes} limit`]: '100',
    [`${changes} wait`]: '0s',
  });
  // So that both answers have the same changes.
  await becomesNoted(server.dataPath);
  const history = '/api/v1/repositories/team/app/tags/latest/history';
  const written = (path: string, names: readonly string[]) =>
    names.map((name) => `${name}=${defaults[`${path} ${name}`]}`).join('&');
  expect(await get(changes, `${changes}?${written(changes, ['since', 'limit', 'wait'])}`)).toEqual(
    await get(changes, changes),
  );
  expect(await get(HISTORY, `${history}?${written(HISTORY, ['after', 'n'])}`)).toEqual(await get(HISTORY, history));
});

test('the document describes exactly the endpoints, with their parameters', async () => {
  expect(document.openapi).toBe('3.1.0');
  const described = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  expect(described.sort()).toEqual(ENDPOINTS.map(({ method, path }) => `${method} ${path}`).sort());
  await get('/api/v1/openapi.json', '/api/v1/openapi.json');
  for (const { method, path, params, query } of ENDPOINTS) {
    const parameters = document.paths[path]?.[method]?.parameters ?? [];
    expect(parameters.map(({ name }) => name).sort()).toEqual([
      ...[...Object.keys(params.shape), ...Object.keys(query.shape)].sort(),
    ]);
  }
});

interface Change {
  readonly action: string;
  readonly digest: string;
  readonly seq: number;
}

test('the history of a tag has every value it had, in pages', async () => {
  const whole = await get<{ changes: Change[] }>(HISTORY, '/api/v1/repositories/team/app/tags/latest/history');
  expect(whole.changes.map(({ action, digest }) => [action, digest])).toEqual([
    ['set', first.descriptor.digest],
    ['set', second.descriptor.digest],
    ['deleted', second.descriptor.digest],
  ]);
  const paged: Change[] = [];
  for (let after: number | undefined = 0; after !== undefined; ) {
    const target = `/api/v1/repositories/team/app/tags/latest/history?n=1&after=${after}`;
    const page: { changes: Change[]; next?: number } = await get(HISTORY, target);
    expect(page.changes.length).toBeLessThanOrEqual(1);
    paged.push(...page.changes);
    after = page.next;
  }
  expect(paged).toEqual(whole.changes);
  await get(HISTORY, '/api/v1/repositories/team/app/tags/never/history', 404);
  await get(HISTORY, '/api/v1/repositories/no/such/tags/v1/history', 404);
});

interface Repository {
  readonly seq: number;
  readonly time: string;
  readonly counts: { readonly tags: number; readonly manifests: number };
  readonly tags: {
    readonly items: readonly { readonly tag: string; readonly digest: string }[];
    readonly more: boolean;
  };
  readonly manifests: {
    readonly items: readonly { readonly digest: string; readonly referrers: number }[];
    readonly more: boolean;
  };
}

test('a repository is shown as it is, and as it was after a slot and at a time', async () => {
  const base = '/api/v1/repositories/team/app';
  const now = await get<Repository>(REPOSITORY, base);
  expect(now.tags.items.map(({ tag }) => tag)).toEqual(['v1']);
  expect(now.counts.manifests).toBe(3);
  const { changes } = await get<{ changes: Change[] }>(HISTORY, `${base}/tags/latest/history`);
  for (const { action, digest, seq } of changes) {
    const then = await get<Repository>(REPOSITORY, `${base}?at=${seq}`);
    expect(then.tags.items).toMatchObject(action === 'set' ? [{ tag: 'latest', digest }] : []);
    const byTime = await get<Repository>(REPOSITORY, `${base}?at=${then.time}`);
    expect(byTime).toEqual(then);
  }
  await get(REPOSITORY, `${base}?at=1999-12-31`, 404);
  await get(REPOSITORY, `${base}?at=2999-12-31`, 400);
  await get(REPOSITORY, `${base}?at=999`, 400);
  await get(REPOSITORY, '/api/v1/repositories/no/such', 404);
});

test('manifests come in pages, and with a subject only its referrers', async () => {
  const base = '/api/v1/repositories/team/app';
  const all = (await get<Repository>(REPOSITORY, base)).manifests.items;
  const paged: string[] = [];
  for (let more = true; more; ) {
    const last = paged.at(-1);
    const target = `${base}?n=1${last === undefined ? '' : `&manifestsAfter=${last}`}`;
    const { manifests } = await get<Repository>(REPOSITORY, target);
    paged.push(...manifests.items.map(({ digest }) => digest));
    more = manifests.more;
  }
  expect(paged).toEqual(all.map(({ digest }) => digest));
  expect(all.find(({ digest }) => digest === first.descriptor.digest)?.referrers).toBe(1);
  const { manifests } = await get<Repository>(REPOSITORY, `${base}?subject=${first.descriptor.digest}`);
  expect(manifests.items.map(({ digest }) => digest)).toEqual([signature.descriptor.digest]);
});

test('a config that nests deeply is not compared', async () => {
  const nesting = `{"os":"linux","x":${'['.repeat(500_000)}${']'.repeat(500_000)}}`;
  const deep = image({ config: content(new TextEncoder().encode(nesting), mediaTypes.config), layers });
  await pushImage(server.url, 'team/deep', plain, 'plain');
  await pushImage(server.url, 'team/deep', deep, 'deep');
  const diff = await get<{ fields: { field: string; to?: string }[] }>(
    DIFF,
    '/api/v1/repositories/team/deep/diff?from=plain&to=deep',
  );
  expect(diff.fields.filter(({ to }) => to !== undefined)).toEqual([]);
  expect(diff.fields.map(({ field }) => field)).toContain('config.os');
});

test('a difference is one of moments or one of manifests', async () => {
  const moments = await get<{ tags: { items: unknown[]; count: number } }>(
    DIFF,
    '/api/v1/repositories/team/app/diff?from=3&to=6',
  );
  expect(moments.tags).toEqual({
    items: [{ tag: 'latest', from: first.descriptor.digest, to: second.descriptor.digest }],
    count: 1,
  });
  const images = await get<{ layers: { change: string }[]; fields: unknown[] }>(
    DIFF,
    '/api/v1/repositories/team/images/diff?from=plain&to=changed',
  );
  expect(images.layers.map(({ change }) => change)).toEqual(['same', 'added']);
  expect(images.fields).toEqual([
    { field: 'config.config.Env.A', from: '1' },
    { field: 'config.config.Env.B', to: '2' },
  ]);
  const indexes = await get<{ manifests: { change: string }[] }>(
    DIFF,
    `/api/v1/repositories/team/images/diff?from=one&to=two`,
  );
  expect(indexes.manifests.map(({ change }) => change)).toEqual(['same', 'added']);
  await get(DIFF, '/api/v1/repositories/team/app/diff?from=latest@3&to=latest@6');
  await get(DIFF, `/api/v1/repositories/team/app/diff?from=${first.descriptor.digest}&to=tag:v1`);
  for (const query of ['', '?from=1', '?from=v1&to=1', '?from=a%20b&to=1', '?from=1&from=2&to=3', '?from=1&to=2&x=3']) {
    await get(DIFF, `/api/v1/repositories/team/app/diff${query}`, 400);
  }
  await get(DIFF, '/api/v1/repositories/team/app/diff?from=v1&to=never', 404);
});

test('two moments before the first push do not differ, but only in a repository that exists', async () => {
  const early = 'diff?from=2020-01-01&to=2020-01-02';
  const { from, to } = await get<{ from: unknown; to: unknown }>(DIFF, `/api/v1/repositories/team/app/${early}`);
  const nothing = { seq: 0, exists: false, bytes: 0 };
  expect([from, to]).toEqual([nothing, nothing]);
  await get(DIFF, `/api/v1/repositories/team/none/${early}`, 404);
});

test('a name that ends like an address is reached with a slash after it', async () => {
  for (const name of ['team/app/diff', 'team/app/tags/latest/history', 'team/app']) {
    const { tags } = await get<Repository & { repository: string }>(REPOSITORY, `/api/v1/repositories/${name}/`);
    expect(tags.items).toMatchObject([{ tag: 'v1', digest: first.descriptor.digest }]);
  }
});

test.each([
  ['/api/v1/repositories/team/app?n=0', REPOSITORY],
  ['/api/v1/repositories/team/app?n=1001', REPOSITORY],
  ['/api/v1/repositories/team/app?at=yesterday', REPOSITORY],
  ['/api/v1/repositories/Team/app', REPOSITORY],
  ['/api/v1/repositories/team/app?from=1', REPOSITORY],
  ['/api/v1/repositories/team/app/tags/.x/history', HISTORY],
  ['/api/v1/repositories/team/app/tags/v1/history?after=x', HISTORY],
])('%s is 400 in the form of all errors', async (target, template) => {
  await get(template, target, 400);
});

test('an unknown address is 404, and another method 405', async () => {
  await expectStatus(404, `${server.url}/api/v1/nothing`);
  await expectStatus(404, `${server.url}/api/v2/repositories/team/app`);
  const refused = await expectStatus(405, `${server.url}/api/v1/repositories/team/app`, { method: 'POST' });
  expect(refused.headers.get('allow')).toBe('GET, HEAD');
});

test('lists of manifests with long texts are bounded, and nothing is missing from their pages', async () => {
  const { url } = server;
  const long = Array.from({ length: 25 }, (_, at) =>
    image({
      subject: first.descriptor,
      artifactType: `application/vnd.example.${'x'.repeat(9_000)}${at}`,
      annotations: { text: 'y'.repeat(200_000) },
      layers: [],
    }),
  );
  for (const [at, each] of long.entries()) await pushImage(url, 'team/long', each, `t${at}`);
  const digests: string[] = [];
  for (let after = ''; ; ) {
    const target = `/api/v1/repositories/team/long?n=100${after === '' ? '' : `&manifestsAfter=${after}`}`;
    const { manifests } = await get<Repository>(REPOSITORY, target);
    expect(JSON.stringify(manifests).length).toBeLessThan(5_000_000);
    digests.push(...manifests.items.map(({ digest }) => digest));
    after = digests.at(-1) ?? '';
    if (!manifests.more) break;
  }
  expect(digests).toEqual(long.map(({ descriptor }) => descriptor.digest).sort());

  const tags = '/api/v1/repositories/{repo}/tags';
  // A list of nothing but undefined equals any other one.
  // The index is made when it is first asked, and on a busy machine it may need longer than an answer waits.
  await eventually(async () => {
    const listed = await get<{ tags: { artifactType?: string }[] }>(tags, '/api/v1/repositories/team/long/tags?n=100');
    expect(listed.tags.map(({ artifactType }) => artifactType ?? 'none')).toEqual(long.map(() => 'none'));
  });
  const changes = '/api/v1/changes?repository=team/long&type=manifest.put&limit=1000&since=beginning';
  // The notes that name the last pushes may come a moment later.
  await eventually(async () => {
    const page = await get<{ changes: { artifactType?: string }[] }>('/api/v1/changes', changes);
    expect(page.changes.map(({ artifactType }) => artifactType ?? 'none')).toEqual(long.map(() => 'none'));
  });
});
