// Imports of a folder that distribution v3 wrote into a data folder: without a server, killed in the middle, beside a running server.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImportReport, Problem } from '../../src/importing/report.ts';
import { eventsOf, flipByte, fsck, linesOf, marina, marinaCommand, OPERATOR_HERE } from '../cli/marina.ts';
import { attempt, TOOLS_WITHIN_MS } from '../support/command.ts';
import { inFolder, startDistribution, stopDistributions } from '../support/distribution.ts';
import { content, digestOf, expectStatus, image, mediaTypes, pushImage, pushManifest } from '../support/oci.ts';
import { cleanUp, startServer, temporaryFolder } from '../support/server.ts';
import { checkEverything, type Pushed, pushEverything } from './tree.ts';

const tree = temporaryFolder('tree');
let pushed: Pushed;

beforeAll(async () => {
  const distribution = await startDistribution(inFolder(tree));
  pushed = await pushEverything(distribution.url, 3_000_000);
  await distribution.stop();
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await stopDistributions();
  await cleanUp();
});

/** Runs `import --json`. */
async function importInto(dataPath: string, ...args: readonly string[]) {
  const { code, stdout, stderr } = await attempt([...marinaCommand, 'import', '--json', ...args], {
    env: { STORAGE_PATH: dataPath },
  });
  const lines = linesOf(new TextDecoder().decode(stdout));
  const summary: ImportReport = JSON.parse(lines.at(-1) ?? '{}');
  const problems: Problem[] = lines.slice(0, -1).map((line) => JSON.parse(line));
  return { code, stderr, summary, problems };
}

/** The number of objects and slots. */
function written(dataPath: string): number {
  return ['data', 'repos']
    .map((name) => join(dataPath, name))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile()).length;
}

function treeFile(...parts: readonly string[]): string {
  return join(tree, 'docker/registry/v2', ...parts);
}

function blobPath(root: string, digest: string): string {
  const [algorithm = '', hex = ''] = digest.split(':');
  return join(root, 'docker/registry/v2/blobs', algorithm, hex.slice(0, 2), hex, 'data');
}

test('everything is imported, can be pulled byte for byte, and takes no additional space', async () => {
  const dataPath = join(temporaryFolder('imported'), 'data');
  const dry = await importInto(dataPath, '--dry-run', tree);
  expect([dry.code, dry.stderr, dry.problems]).toEqual([0, '', []]);
  expect(await Bun.file(join(dataPath, 'format')).exists()).toBeFalse();

  const { code, stderr, summary, problems } = await importInto(dataPath, tree);
  expect([code, stderr, problems]).toEqual([0, '', []]);
  const unique = new Map([...pushed.blobs.values()].flat().map((each) => [each.descriptor.digest, each]));
  const links = [...pushed.blobs.values()].flatMap((blobs) => [
    ...new Set(blobs.map((each) => each.descriptor.digest)),
  ]);
  expect(summary).toMatchObject({
    repositories: 3,
    tags: { set: 7, present: 0 },
    manifests: { put: 8, present: 0 },
    blobs: {
      linked: { count: unique.size, bytes: pushed.blobBytes },
      copied: { count: 0 },
      shared: { count: links.length - unique.size },
    },
    problems: 0,
  });
  expect(dry.summary.manifests).toEqual(summary.manifests);
  expect(dry.summary.tags).toEqual(summary.tags);
  expect(dry.summary.blobs.shared.count).toBe(summary.blobs.shared.count);
  // One file with a name in each folder, and one object per digest, whatever the number of repositories.
  const names = new Map<string, number>();
  for (const { bytes } of unique.values()) names.set(digestOf(bytes), (names.get(digestOf(bytes)) ?? 1) + 1);
  for (const [digest, count] of names)
    expect([digest, statSync(blobPath(tree, digest)).nlink]).toEqual([digest, count]);

  const server = await startServer({ STORAGE_PATH: dataPath });
  await checkEverything(server.url, pushed);
  expect(await fsck(dataPath, '--scrub')).toMatchObject({ code: 0, findings: [], summary: { orphans: { count: 0 } } });
  const events = await eventsOf(dataPath, 'team/app');
  expect(new Set(events.map(({ event }) => event.actor))).toEqual(new Set([OPERATOR_HERE]));

  // Again, beside the running server, which does the work.
  const again = await importInto(dataPath, tree);
  expect([again.code, again.stderr, again.problems]).toEqual([0, '', []]);
  expect(again.summary).toMatchObject({
    tags: { set: 0, present: 7 },
    manifests: { put: 0, present: 8 },
    blobs: { linked: { count: 0 }, shared: { count: 0 }, present: { count: links.length } },
  });
  expect((await eventsOf(dataPath, 'team/app')).length).toBe(events.length);
  // Deleting the source does not affect the server.
  await pushImage(server.url, 'team/app', image(), 'new');
  expect(await server.stop()).toBe(0);
});

test('a running server does the import itself; tags that moved there are kept, unless overwriting is requested', async () => {
  const server = await startServer();
  const own = image();
  await pushImage(server.url, 'team/app', own, 'v1');
  const { code, stderr, summary, problems } = await importInto(server.dataPath, join(tree, 'docker'));
  expect([code, stderr]).toEqual([1, '']);
  expect(problems).toEqual([expect.objectContaining({ problem: 'tag-differs', repo: 'team/app', tag: 'v1' })]);
  expect(summary).toMatchObject({ repositories: 3, tags: { set: 6 }, problems: 1 });
  const now = await expectStatus(200, `${server.url}/v2/team/app/manifests/v1`, { method: 'HEAD' });
  expect(now.headers.get('docker-content-digest')).toBe(own.descriptor.digest);
  const moved = await importInto(server.dataPath, '--move-tags', treeFile());
  expect([moved.code, moved.problems, moved.summary.tags]).toEqual([0, [], { set: 1, present: 6 }]);
  await checkEverything(server.url, pushed);
  const nothing = await importInto(server.dataPath, temporaryFolder('nothing'));
  expect([nothing.code, nothing.stderr]).toEqual([
    2,
    expect.stringMatching(/^marina: there is no registry in [^\n]*\n$/),
  ]);
  expect((await fsck(server.dataPath)).faults).toEqual([]);
});

test('killed repeatedly in the middle, it resumes and links nothing twice', async () => {
  const dataPath = join(temporaryFolder('killed'), 'data');
  // The numbers of new objects and slots after which each run is killed: while blobs, slots, manifests and tags are written.
  for (const grown of [1, 8, 17, 24, 29]) {
    const before = written(dataPath);
    const subprocess = Bun.spawn([...marinaCommand, 'import', '--json', tree], {
      env: { ...process.env, STORAGE_PATH: dataPath },
      ...{ stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' },
    });
    while (subprocess.exitCode === null && written(dataPath) < before + grown) await Bun.sleep(2);
    subprocess.kill('SIGKILL');
    await subprocess.exited;
  }
  const last = await importInto(dataPath, tree);
  expect([last.code, last.problems]).toEqual([0, []]);
  const events = (await Promise.all([...pushed.tags.keys()].map((repo) => eventsOf(dataPath, repo)))).flat();
  const named = events.map(({ repo, event }) => [repo, event.type, event.tag ?? event.digest].join(' '));
  expect(named.length).toBe(new Set(named).size);
  const server = await startServer({ STORAGE_PATH: dataPath });
  await checkEverything(server.url, pushed);
  expect((await fsck(dataPath, '--scrub')).faults).toEqual([]);
});

test('corrupt parts of the source are reported and left out, and the rest is imported', async () => {
  const broken = temporaryFolder('broken');
  const distribution = await startDistribution(inFolder(broken));
  const { url } = distribution;
  const [good, flipped, gone, torn] = [image(), image(), image(), image()];
  for (const [tag, each] of Object.entries({ good, flipped, gone, torn })) await pushImage(url, 'some/app', each, tag);
  const loner = image();
  await pushImage(url, 'some/app', loner);
  await pushManifest(url, 'some/app', loner, 'dangling');
  await distribution.stop();
  const at = (...parts: readonly string[]): string => join(broken, 'docker/registry/v2', ...parts);
  const link = (digest: string): string => join(digest.replace(':', '/'), 'link');
  const layer = (of: typeof good): string => of.blobs.at(-1)?.descriptor.digest ?? '';
  flipByte(blobPath(broken, layer(flipped)), 7);
  rmSync(blobPath(broken, layer(gone)));
  truncateSync(at('repositories/some/app/_layers', link(layer(torn))), 20);
  rmSync(at('repositories/some/app/_manifests/revisions', link(loner.descriptor.digest)));
  const strange = content(new TextEncoder().encode('{"schemaVersion": 1, "name": "x"}'), mediaTypes.manifest);
  for (const path of [
    at('repositories/UPPER/_layers', link(layer(good))),
    at('repositories/some/app/_manifests/tags/-no/current/link'),
  ]) {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, layer(good));
  }
  const revision = at('repositories/some/app/_manifests/revisions', link(strange.descriptor.digest));
  for (const [path, bytes] of [
    [revision, strange.descriptor.digest],
    [blobPath(broken, strange.descriptor.digest), strange.bytes],
  ] as const) {
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, bytes);
  }

  const dataPath = join(temporaryFolder('rest'), 'data');
  const dry = await importInto(dataPath, '--dry-run', broken);
  const { code, stderr, problems, summary } = await importInto(dataPath, broken);
  expect([code, stderr]).toEqual([1, '']);
  const problemLines = (some: readonly Problem[]): string[] =>
    some.map(({ problem, repo, tag, digest }) => [problem, repo, tag ?? digest].join(' ')).sort();
  const manifest = (of: typeof good): string => of.descriptor.digest;
  const expected = [
    'name-invalid UPPER ',
    'tag-invalid some/app -no',
    `digest-wrong some/app ${layer(flipped)}`,
    `blob-missing some/app ${layer(gone)}`,
    `link-broken some/app ${layer(torn)}`,
    ...[flipped, gone, torn].map((each) => `manifest-incomplete some/app ${manifest(each)}`),
    `manifest-invalid some/app ${strange.descriptor.digest}`,
    ...['dangling', 'flipped', 'gone', 'torn'].map((tag) => `tag-dangling some/app ${tag}`),
  ];
  expect(problemLines(problems)).toEqual(expected.sort());
  expect(summary).toMatchObject({
    repositories: 1,
    tags: { set: 1 },
    manifests: { put: 1 },
    problems: expected.length,
  });
  // It only checks that blobs exist.
  const unseen = [`digest-wrong some/app ${layer(flipped)}`, `manifest-incomplete some/app ${manifest(flipped)}`];
  const foreseen = expected.filter((each) => !unseen.includes(each) && each !== 'tag-dangling some/app flipped');
  expect([dry.code, problemLines(dry.problems)]).toEqual([1, foreseen.sort()]);
  const shown = await marina(dataPath, 'import', broken);
  expect(shown.code).toBe(1);
  expect(shown.lines.at(-1)).toContain('1 repository: 0 tags, 0 manifests; ');
  expect(shown.lines.at(-1)).toContain(`${expected.length} things left out`);

  const server = await startServer({ STORAGE_PATH: dataPath });
  await expectStatus(200, `${server.url}/v2/some/app/manifests/good`);
  expect((await fsck(dataPath, '--scrub')).faults).toEqual([]);
  // --trust does not verify bytes: only a scrub finds the fault.
  const trusting = join(temporaryFolder('trusting'), 'data');
  expect(problemLines((await importInto(trusting, '--trust', broken)).problems)).toEqual(foreseen);
  expect((await fsck(trusting, '--scrub')).faults).toEqual([
    expect.objectContaining({ problem: 'object-digest', digest: layer(flipped) }),
  ]);
});
