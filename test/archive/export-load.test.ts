// Images in tar files: exported beside a running server and loaded again, without a server, beside one, and after kills.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ImportReport, Problem } from '../../src/importing/report.ts';
import { eventsOf, flipByte, fsck, linesOf, marina, marinaCommand, OPERATOR_HERE, objectPath } from '../cli/marina.ts';
import { checkEverything, type Pushed, pushEverything } from '../importing/tree.ts';
import { attempt, run } from '../support/command.ts';
import { expectStatus, image, index, pushImage, randomBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { blobEntry, type Entry, layoutEntries, writeTar } from './archives.ts';

const folder = temporaryFolder('exported');
const everything = join(folder, 'everything.tar');
let server: Server;
let pushed: Pushed;

beforeAll(async () => {
  server = await startServer();
  pushed = await pushEverything(server.url, 3_000_000);
});
afterAll(cleanUp);

/** Runs `load --json`. */
async function load(dataPath: string, ...args: readonly string[]) {
  const { code, stdout, stderr } = await attempt([...marinaCommand, 'load', '--json', ...args], {
    env: { STORAGE_PATH: dataPath },
  });
  const lines = linesOf(new TextDecoder().decode(stdout)).map((line) => JSON.parse(line));
  const summary: ImportReport | undefined = lines.at(-1);
  const problems: Problem[] = lines.slice(0, -1);
  return { code, stderr, summary, problems };
}

function freshFolder(name: string): string {
  return join(temporaryFolder(name), 'data');
}

/** The number of objects and slots. */
function written(dataPath: string): number {
  return ['data', 'repos']
    .map((name) => join(dataPath, name))
    .filter((each) => existsSync(each))
    .flatMap((each) => readdirSync(each, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile()).length;
}

/** What an export holds: blobs that no manifest refers to stay behind. */
function exportable({ blobs, ...rest }: Pushed): Pushed {
  const app = (blobs.get('team/app') ?? []).filter(
    ({ descriptor }) => descriptor.size !== 5_000 && descriptor.size > 0,
  );
  // The second digest of a layer is no part of an image.
  const referenced = app.filter(
    ({ bytes, descriptor }) => bytes.length !== 3_000 || descriptor.digest.startsWith('sha512:'),
  );
  return { ...rest, blobs: new Map([...blobs, ['team/app', referenced]]) };
}

test('everything is exported beside the running server, and loaded into an empty folder, byte for byte', async () => {
  const repos = [...pushed.tags.keys()];
  // Those without a tag are named by their digests.
  const names = [
    ...repos,
    ...(pushed.manifests.get('team/app') ?? []).map(({ descriptor }) => `team/app@${descriptor.digest}`),
  ];
  const exported = await marina(server.dataPath, 'export', ...names, '-o', everything);
  expect([exported.code, exported.stderr]).toEqual([0, '']);
  expect(exported.lines[0]).toContain('7 tags');
  expect(statSync(everything).mode & 0o777).toBe(0o600);
  // GNU tar agrees that it is an archive, and that nothing is in it twice.
  const listed = linesOf(await run(['tar', '-tf', everything]));
  expect(new Set(listed).size).toBe(listed.length);

  const dataPath = freshFolder('loaded');
  const dry = await load(dataPath, '--dry-run', everything);
  expect([dry.code, dry.stderr, dry.problems]).toEqual([0, '', []]);
  expect(existsSync(join(dataPath, 'format'))).toBeFalse();
  const { code, stderr, summary, problems } = await load(dataPath, everything);
  expect([code, stderr, problems]).toEqual([0, '', []]);
  expect(summary).toMatchObject({ repositories: 3, tags: { set: 7 }, manifests: { put: 8 }, problems: 0 });
  expect(dry.summary?.manifests).toEqual({ put: 8, present: 0 });

  const second = await startServer({ STORAGE_PATH: dataPath });
  await checkEverything(second.url, exportable(pushed));
  expect(await fsck(dataPath, '--scrub')).toMatchObject({ code: 0, findings: [], summary: { orphans: { count: 0 } } });
  const events = await eventsOf(dataPath, 'team/app');
  expect(new Set(events.map(({ event }) => event.actor))).toEqual(new Set([OPERATOR_HERE]));

  // The same content makes the same archive.
  const again = join(folder, 'again.tar');
  expect((await marina(dataPath, 'export', ...names, '-o', again)).code).toBe(0);
  expect(Buffer.from(await Bun.file(again).bytes()).equals(Buffer.from(await Bun.file(everything).bytes()))).toBeTrue();

  // Again, beside the running server, which does the work.
  const repeated = await load(dataPath, everything);
  expect([repeated.code, repeated.problems]).toEqual([0, []]);
  expect(repeated.summary).toMatchObject({
    tags: { set: 0, present: 7 },
    manifests: { put: 0, present: 8 },
    blobs: { sent: { count: 0 } },
  });
  expect((await eventsOf(dataPath, 'team/app')).length).toBe(events.length);
});

test('into one repository of a running server; a tag that moved there is kept, unless overwriting is requested', async () => {
  const one = join(folder, 'one.tar');
  expect((await marina(server.dataPath, 'export', 'team/app:v1', '-o', one)).code).toBe(0);
  const own = image();
  await pushImage(server.url, 'mirror/app', own, 'v1');
  const { code, stderr, problems } = await load(server.dataPath, one, 'mirror/app');
  expect([code, stderr]).toEqual([1, '']);
  expect(problems).toEqual([expect.objectContaining({ problem: 'tag-differs', repo: 'mirror/app', tag: 'v1' })]);
  const moved = await load(server.dataPath, '--move-tags', one, 'mirror/app');
  expect([moved.code, moved.problems, moved.summary?.tags]).toEqual([0, [], { set: 1, present: 0 }]);
  const { digest } = pushed.subject.descriptor;
  const { headers } = await expectStatus(200, `${server.url}/v2/mirror/app/manifests/v1`, { method: 'HEAD' });
  expect(headers.get('docker-content-digest')).toBe(digest);
  const { bytes } = await expectStatus(200, `${server.url}/v2/mirror/app/referrers/${digest}`);
  expect(JSON.parse(new TextDecoder().decode(bytes)).manifests).toMatchObject([
    { digest: pushed.referrer.descriptor.digest },
  ]);
  expect((await fsck(server.dataPath)).faults).toEqual([]);
});

test('a load that is killed in the middle is repeated, and nothing is linked twice', async () => {
  const dataPath = freshFolder('killed');
  for (const grown of [1, 6, 12, 20]) {
    const before = written(dataPath);
    const subprocess = Bun.spawn([...marinaCommand, 'load', everything], {
      env: { ...process.env, STORAGE_PATH: dataPath },
      ...{ stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' },
    });
    while (subprocess.exitCode === null && written(dataPath) < before + grown) await Bun.sleep(2);
    subprocess.kill('SIGKILL');
    await subprocess.exited;
  }
  const last = await load(dataPath, everything);
  expect([last.code, last.problems]).toEqual([0, []]);
  const events = (await Promise.all([...pushed.tags.keys()].map((repo) => eventsOf(dataPath, repo)))).flat();
  const named = events.map(({ repo, event }) => [repo, event.type, event.tag ?? event.digest].join(' '));
  expect(named.length).toBe(new Set(named).size);
  expect((await fsck(dataPath, '--scrub')).faults).toEqual([]);
});

test('an export of damaged bytes fails with their name, and leaves no file and the old one as it was', async () => {
  const dataPath = freshFolder('damaged');
  const other = await startServer({ STORAGE_PATH: dataPath });
  const layer = randomBlob(400_000);
  await pushImage(other.url, 'team/app', image({ layers: [layer] }), 'v1');
  await other.stop();
  const out = join(temporaryFolder('out'), 'x.tar');
  expect((await marina(dataPath, 'export', 'team/app', '-o', out)).code).toBe(0);
  const whole = await Bun.file(out).bytes();
  flipByte(await objectPath(dataPath, 'team/app', layer.descriptor.digest), 399_999);
  const { code, stderr } = await marina(dataPath, 'export', 'team/app', '-o', out);
  expect([code, linesOf(stderr).length]).toEqual([1, 1]);
  expect(stderr).toContain(layer.descriptor.digest);
  expect(Buffer.compare(await Bun.file(out).bytes(), whole)).toBe(0);
  expect(readdirSync(join(out, '..'))).toEqual(['x.tar']);
});

test('an export of what does not exist, or of no name, is refused in one line', async () => {
  const out = join(folder, 'refused.tar');
  for (const [name, message, exit] of [
    ['team/app:never', 'team/app has no tag never', 1],
    ['Not/Valid', 'is not a valid repository name', 2],
  ] as const) {
    const { code, stderr } = await marina(server.dataPath, 'export', name, '-o', out);
    expect([code, linesOf(stderr).length, existsSync(out)]).toEqual([exit, 1, false]);
    expect(stderr).toContain(message);
  }
});

const good = image({ layers: [randomBlob(1_000)] });
const goodFiles: readonly Entry[] = [good, ...good.blobs].map(blobEntry);
const layout = layoutEntries([['v1', good]]);

test('a hostile archive is refused in one line, without a server and beside one, and nothing is written', async () => {
  const dataPath = freshFolder('refused');
  const path = writeTar([...layout, ...goodFiles, { name: '../x', bytes: 'x' }]);
  for (const place of [dataPath, server.dataPath]) {
    const before = written(place);
    const { code, stderr } = await load(place, path, 'team/hostile');
    expect([code, stderr]).toEqual([2, `marina: ${path} cannot be loaded: it has an entry with the name "../x"\n`]);
    expect(written(place)).toBe(before);
  }
});

test('bytes that do not match their digest are never linked, and what needs them is left out; the rest is loaded', async () => {
  const other = image({ layers: [randomBlob(300_000)] });
  const bad = other.blobs.at(-1);
  if (bad === undefined) throw new Error('an image without layers');
  const changed = Uint8Array.from(bad.bytes);
  changed[5] = (changed[5] ?? 0) ^ 1;
  const both = index([good, other]);
  const entries = [other, ...other.blobs, both].map((each) =>
    each === bad ? { ...blobEntry(bad), bytes: changed } : blobEntry(each),
  );
  const named = layoutEntries([
    ['team/app:good', good],
    ['team/app:bad', other],
    ['team/app:both', both],
    ['at/20260101:x', good],
  ]);
  const path = writeTar([...named, ...goodFiles, ...entries]);
  const dataPath = freshFolder('changed');
  const { code, problems } = await load(dataPath, path);
  expect(code).toBe(1);
  expect(problems.map(({ problem, tag, repo }) => [problem, repo, tag].join(' ')).sort()).toEqual([
    'digest-wrong team/app ',
    'manifest-incomplete team/app ',
    'name-invalid at/20260101 ',
    'tag-dangling team/app bad',
  ]);
  const started = await startServer({ STORAGE_PATH: dataPath });
  await expectStatus(200, `${started.url}/v2/team/app/manifests/good`);
  await expectStatus(404, `${started.url}/v2/team/app/manifests/bad`);
  await expectStatus(404, `${started.url}/v2/team/app/blobs/${bad.descriptor.digest}`);
  expect((await fsck(dataPath, '--scrub')).faults).toEqual([]);
});
