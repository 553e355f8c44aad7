// /api/v1: what manifests contain and what is attached to them, over HTTP, today and in the past.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import type { ManifestDetails } from '../../src/inspection/interface.ts';
import { type ApiDocument, documentOf, expectDocumented } from '../past/api-document.ts';
import { expectStatus, image, index, json, mediaTypes, pushBlob, pushImage, pushManifest } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';

afterAll(cleanUp);

const MANIFEST = '/api/v1/repositories/{repo}/manifests/{reference}';
const PACKAGES = '/api/v1/repositories/{repo}/manifests/{reference}/packages';
const COMPARE = '/api/v1/compare';
const SBOM_TYPE = 'application/vnd.cyclonedx+json';

const app = image({
  config: json(
    { os: 'linux', architecture: 'amd64', config: { Env: ['A=1'] }, history: [{ created_by: 'COPY' }] },
    mediaTypes.config,
  ),
});
const newer = image({ layers: app.blobs.slice(1), annotations: { 'dev.marina.readme': '# Hello' } });
const sbomOf = (subject: typeof app, versions: Readonly<Record<string, string>>) => {
  const components = Object.entries(versions).map(([name, version]) => ({ type: 'library', name, version }));
  const document = json({ bomFormat: 'CycloneDX', specVersion: '1.6', components }, SBOM_TYPE);
  return image({ subject: subject.descriptor, artifactType: SBOM_TYPE, layers: [document] });
};

let server: Server;
let document: ApiDocument;

beforeAll(async () => {
  server = await startServer();
  document = await documentOf(server.url);
  await pushImage(server.url, 'team/app', app, 'v1');
  await pushImage(server.url, 'team/app', sbomOf(app, { zlib: '1.2', curl: '8' }));
  await pushImage(server.url, 'other/app', newer, 'v2');
  await pushImage(server.url, 'other/app', sbomOf(newer, { zlib: '1.3', curl: '8' }));
});

async function get<T>(template: string, target: string, status = 200): Promise<T> {
  return (await expectDocumented(server.url, document, [template, target], status)) as T;
}

test('a manifest is described with its layers, its config and what is attached to it', async () => {
  const found = await get<ManifestDetails>(MANIFEST, '/api/v1/repositories/team/app/manifests/v1');
  expect(found).toMatchObject({ kind: 'image', badges: { signed: false, sbom: true, attested: false } });
  expect(found.config).toMatchObject({ platform: 'linux/amd64', env: ['A=1'] });
  expect(found.layers.map(({ command }) => command)).toEqual(['COPY']);
  expect(found.attached[0]?.documents.sboms[0]?.packages.map(({ name }) => name)).toEqual(['zlib', 'curl']);
  const { digest } = app.descriptor;
  expect(await get<ManifestDetails>(MANIFEST, `/api/v1/repositories/team/app/manifests/${digest}`)).toEqual(found);
  const other = await get<ManifestDetails>(MANIFEST, '/api/v1/repositories/other/app/manifests/v2');
  expect(other.readme?.text).toBe('# Hello');
});

test('what does not exist is 404, and what is malformed 400', async () => {
  for (const target of [
    'team/app/manifests/no',
    'no/such/manifests/v1',
    `team/app/manifests/sha256:${'0'.repeat(64)}`,
  ]) {
    await get(MANIFEST, `/api/v1/repositories/${target}`, 404);
  }
  await get(MANIFEST, '/api/v1/repositories/team/app/manifests/-bad', 400);
  await get(COMPARE, '/api/v1/compare?a=team/app:v1', 400);
  await get(COMPARE, '/api/v1/compare?a=team/app:v1&b=app', 400);
});

test('packages come in pages, and by a part of their name', async () => {
  const base = '/api/v1/repositories/team/app/manifests/v1/packages';
  interface Packages {
    readonly packages: readonly { readonly name: string }[];
    readonly count: number;
    readonly next?: number;
  }
  const first = await get<Packages>(PACKAGES, `${base}?n=1`);
  expect([first.packages.map(({ name }) => name), first.count, first.next]).toEqual([['curl'], 2, 1]);
  const second = await get<Packages>(PACKAGES, `${base}?n=1&after=${first.next}`);
  expect([second.packages.map(({ name }) => name), second.next]).toEqual([['zlib'], undefined]);
  expect((await get<Packages>(PACKAGES, `${base}?q=ZL`)).count).toBe(1);
});

test('manifests of two repositories are compared', async () => {
  const found = await get<{ layers: { change: string }[]; packages: unknown }>(
    COMPARE,
    `/api/v1/compare?a=team/app:v1&b=other/app@${newer.descriptor.digest}`,
  );
  expect(found.layers.map(({ change }) => change)).toEqual(['same']);
  expect(found.packages).toEqual({
    items: [{ change: 'changed', name: 'zlib', from: '1.2', to: '1.3' }],
    ...{ count: 1, same: 1 },
  });
});

test('a manifest is described as it was, by a name of the past', async () => {
  const { url } = server;
  await pushImage(url, 'team/moving', app, 'latest');
  const { time } = (await (await fetch(`${url}/api/v1/repositories/team/moving`)).json()) as { time: string };
  // Names of the past have seconds.
  while (Date.now() < (Math.floor(Date.parse(time) / 1_000) + 1) * 1_000) await Bun.sleep(20);
  await pushImage(url, 'team/moving', newer, 'latest');
  await expectStatus(202, `${url}/v2/team/moving/manifests/${app.descriptor.digest}`, { method: 'DELETE' });
  const moment = time.replace(/\.\d+|[-:]/g, '').toLowerCase();
  const then = await get<ManifestDetails>(MANIFEST, `/api/v1/repositories/at/${moment}/team/moving/manifests/latest`);
  expect(then.digest).toBe(app.descriptor.digest as ManifestDetails['digest']);
  expect(then.config?.env).toEqual(['A=1']);
  const { from, layers } = await get<{ from: object; layers: { change: string }[] }>(
    COMPARE,
    `/api/v1/compare?a=team/moving:latest@${time}&b=team/moving:latest`,
  );
  expect(from).toMatchObject({ repository: `at/${moment}/team/moving`, digest: app.descriptor.digest, kind: 'image' });
  expect(layers.map(({ change }) => change)).toEqual(['same']);
});

test('of indexes the images for one platform are compared', async () => {
  const { url } = server;
  const platform = { os: 'linux', architecture: 'amd64' };
  for (const [tag, each] of [
    ['v1', app],
    ['v2', newer],
  ] as const) {
    await pushImage(url, 'team/index', each);
    const manifests = [{ ...each.descriptor, platform }];
    const whole = json({ schemaVersion: 2, mediaType: mediaTypes.index, manifests }, mediaTypes.index);
    await pushManifest(url, 'team/index', whole, tag);
  }
  const address = '/api/v1/compare?a=team/index:v1&b=team/index:v2&platform=linux/amd64';
  const found = await get<{ to: object; layers: object[]; platforms: object[] }>(COMPARE, address);
  expect(found.to).toMatchObject({ digest: newer.descriptor.digest, kind: 'image' });
  expect(found.layers).toHaveLength(1);
  expect(found.platforms).toMatchObject([{ change: 'changed', platform: 'linux/amd64' }]);
  await get(COMPARE, `${address.replace('linux', 'plan9')}`, 404);
  await get(COMPARE, '/api/v1/compare?a=team/app:v1@soon&b=team/app:v1', 400);
});

test('hostile documents are described without a server error', async () => {
  const { url } = server;
  const deep = { ...json({}, SBOM_TYPE), bytes: new TextEncoder().encode('['.repeat(3_000_000)) };
  const digest = `sha256:${new Bun.CryptoHasher('sha256').update(deep.bytes).digest('hex')}`;
  const layer = { bytes: deep.bytes, descriptor: { mediaType: SBOM_TYPE, digest, size: deep.bytes.length } };
  const config = json([{ config: 7, history: { a: 1 } }, null], mediaTypes.config);
  const hostile = image({ config, layers: [layer], artifactType: SBOM_TYPE });
  await pushImage(url, 'team/hostile', hostile, 'v1');
  await pushBlob(url, 'team/hostile', layer);
  await pushManifest(url, 'team/hostile', index([hostile, hostile]), 'both');
  for (const tag of ['v1', 'both']) {
    const found = await get<ManifestDetails>(MANIFEST, `/api/v1/repositories/team/hostile/manifests/${tag}`);
    expect(found.omitted).toEqual(tag === 'v1' ? ['the bill of materials could not be read'] : []);
  }
});
