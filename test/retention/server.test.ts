// Retention as an operator uses it: a real server on a real folder, with the command beside it and without it.
import { afterAll, expect, test } from 'bun:test';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RetentionReport } from '../../src/retention/report.ts';
import { marinaCommand } from '../cli/marina.ts';
import { attempt } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, type Image, image, index, pushImage, pushManifest } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';

afterAll(cleanUp);

const RULES = `
rules:
  - name: apps
    repositories: [team/*]
    immutable: {tags: [stable]}
    keep:
      - tags: [latest]
      - tags: ['v*']
        newest: 2
`;

function retentionFile(text: string): string {
  const path = join(temporaryFolder('retention'), 'retention.yaml');
  writeFileSync(path, text);
  return path;
}

async function retention(dataPath: string, env: Readonly<Record<string, string>>, ...args: readonly string[]) {
  const command = [...marinaCommand, 'retention', ...args];
  const { code, stdout, stderr } = await attempt(command, { env: { STORAGE_PATH: dataPath, ...env } });
  const lines = new TextDecoder().decode(stdout).trimEnd().split('\n');
  const report = (): RetentionReport => JSON.parse(lines.at(-1) ?? '');
  return { code, lines, stderr, report, things: () => lines.slice(0, -1).map((line) => JSON.parse(line)) };
}

async function tagsOf({ url }: Server, repo: string): Promise<string[]> {
  const { tags } = (await (await fetch(`${url}/v2/${repo}/tags/list`)).json()) as { tags: string[] };
  return tags;
}

/** Five images, tagged at different times. */
async function fill(url: string): Promise<Map<string, Image>> {
  const images = new Map<string, Image>();
  for (const name of ['stable', 'v1', 'test', 'v2', 'v3', 'latest']) {
    const pushed = image();
    images.set(name, pushed);
    await pushImage(url, 'team/app', pushed, name);
    await Bun.sleep(5);
  }
  await pushImage(url, 'other/app', image(), 'test');
  return images;
}

test('retention shows what it would delete and why; it uses a running server, and works alone without one', async () => {
  const dataPath = temporaryFolder('retained');
  const RETENTION_FILE = retentionFile(RULES);
  let server = await startServer({ STORAGE_PATH: dataPath, RETENTION_FILE });
  const images = await fill(server.url);
  const digestOf = (name: string) => images.get(name)?.descriptor.digest;
  // Another tag of a manifest whose tag is deleted: the manifest stays.
  await pushImage(server.url, 'team/app', images.get('v1') ?? image(), 'v3');

  const none = await retention(dataPath, {}, '--dry-run');
  expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('marina: RETENTION_FILE is not set')]);
  const dry = await retention(dataPath, { RETENTION_FILE }, '--dry-run', '--json');
  expect([dry.code, dry.stderr]).toEqual([0, '']);
  const about = { type: 'tag', action: 'delete', repo: 'team/app', rule: 'apps', reason: 'not-kept', bytes: 0 };
  expect(dry.things()).toEqual(
    ['v1', 'test'].map((tag) => expect.objectContaining({ ...about, tag, digest: digestOf(tag) })),
  );
  expect(await tagsOf(server, 'team/app')).toHaveLength(6);
  expect((await retention(dataPath, { RETENTION_FILE }, '--dry-run')).lines).toEqual([
    expect.stringMatching(/^delete {2}team\/app:v1 {2}apps: nothing keeps it; pushed 20.*Z$/),
    expect.stringContaining('team/app:test'),
    '2 tags and 0 manifests with 0 B would be deleted, of 1 repository with a rule',
  ]);

  // The server's file applies.
  const asked = await retention(dataPath, {}, '--wait', '--json');
  expect([asked.code, asked.stderr]).toEqual([0, '']);
  expect(asked.report()).toMatchObject({ repositories: 1, tags: 2, manifests: 0, failures: 0 });
  expect(await tagsOf(server, 'team/app')).toEqual(['latest', 'stable', 'v2', 'v3']);
  expect(await tagsOf(server, 'other/app')).toEqual(['test']);
  for (const name of ['v1', 'test']) await expectStatus(200, `${server.url}/v2/team/app/manifests/${digestOf(name)}`);
  expect((await retention(dataPath, {})).lines).toEqual([expect.stringContaining('retention requested')]);
  await eventually(async () => {
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toMatch(/^marina_retention_repositories 1$/m);
    expect(metrics).toMatch(/^marina_retention_failures 0$/m);
  });
  await eventually(() => expect(server.logs()).toContain('retention deleted what its rule no longer keeps'));
  const history = await attempt([...marinaCommand, 'history', 'team/app', 'test'], { env: { STORAGE_PATH: dataPath } });
  expect(new TextDecoder().decode(history.stdout)).toContain('system:retention');
  expect(await server.stop()).toBe(0);

  await Bun.sleep(500);
  const alone = await retention(dataPath, { RETENTION_FILE: retentionFile(`${RULES}    deleteUntagged: 500ms\n`) });
  expect([alone.code, alone.stderr]).toEqual([0, '']);
  // The manifests that had the tags test and, at first, v3.
  expect(alone.lines).toEqual([
    expect.stringMatching(/^0 tags and 2 manifests with .* deleted; 1 repository with a rule/),
  ]);
  const without = await retention(dataPath, {});
  expect([without.code, without.lines]).toEqual([1, [expect.stringContaining('RETENTION_FILE is not set')]]);
  server = await startServer({ STORAGE_PATH: dataPath });
  await expectStatus(404, `${server.url}/v2/team/app/manifests/${digestOf('test')}`);
  for (const name of ['stable', 'v1', 'v2', 'latest'])
    await expectStatus(200, `${server.url}/v2/team/app/manifests/${digestOf(name)}`);
});

test('on schedule tags are deleted unless they are pulled, and untagged manifests unless a kept manifest needs them', async () => {
  const STORAGE_PATH = temporaryFolder('scheduled');
  // The index may be pushed long after its parts on a busy machine, so nothing is deleted meanwhile.
  const first = await startServer({ STORAGE_PATH });
  const [part, deep, loose] = [image(), image(), image()];
  for (const each of [part, deep, loose]) await pushImage(first.url, 'team/app', each);
  const inner = index([deep]);
  const outer = index([inner, part]);
  const signature = image({ subject: outer.descriptor });
  await pushManifest(first.url, 'team/app', inner);
  await pushManifest(first.url, 'team/app', outer, 'v1');
  await pushImage(first.url, 'team/app', signature);
  expect(await first.stop()).toBe(0);
  const server = await startServer({
    STORAGE_PATH,
    RETENTION_INTERVAL: '300ms',
    RETENTION_FILE: retentionFile(`
rules:
  - repositories: [team/*]
    deleteUntagged: 4s
  - repositories: [pulled/*]
    keep: [{pulledWithin: 1h}]
`),
  });
  const { url } = server;
  await pushImage(url, 'pulled/app', image(), 'v1');
  const there = async (content: { descriptor: { digest: string } }) =>
    (await fetch(`${url}/v2/team/app/manifests/${content.descriptor.digest}`)).status === 200;
  await eventually(async () => expect(await there(loose)).toBe(false));
  for (const each of [part, deep, inner, outer, signature]) expect(await there(each)).toBe(true);
  await expectStatus(202, `${url}/v2/team/app/manifests/v1`, { method: 'DELETE' });
  await eventually(async () => {
    for (const each of [part, deep, inner, outer, signature]) expect(await there(each)).toBe(false);
  });
  // Recording of pulls has just started, so the tag stays.
  expect(await tagsOf(server, 'pulled/app')).toEqual(['v1']);
});

test('pulls are recorded while a rule needs them, and flushed when the server stops', async () => {
  const dataPath = temporaryFolder('pulled');
  const RETENTION_FILE = retentionFile('rules: [{repositories: [team/*], keep: [{pulledWithin: 1d}]}]');
  const hasBegun = () => existsSync(join(dataPath, 'pulls', 'began'));
  const recorded = () => [...new Bun.Glob('pulls/times/*').scanSync(dataPath)].length;
  const pushed = image();
  for (const [env, times] of [
    [{ RETENTION_FILE }, 1],
    [{ RETENTION_FILE }, 2],
    [{}, 2],
  ] as const) {
    const server = await startServer({ STORAGE_PATH: dataPath, ...env });
    await pushImage(server.url, 'team/app', pushed, 'v1');
    for (const reference of ['v1', pushed.descriptor.digest]) {
      for (const method of ['GET', 'HEAD'])
        await expectStatus(200, `${server.url}/v2/team/app/manifests/${reference}`, { method });
    }
    expect(await server.stop()).toBe(0);
    expect([recorded(), hasBegun()]).toEqual([times, 'RETENTION_FILE' in env]);
  }
  // The next run merges them, and deletes nothing, because everything was pushed a moment ago.
  const run = await retention(dataPath, { RETENTION_FILE }, '--json');
  expect(run.report()).toMatchObject({ tags: 0, failures: 0 });
  expect(recorded()).toBe(1);
});

test('a tag that retention deletes within a day is pushed and pulled with a warning', async () => {
  const server = await startServer({
    RETENTION_INTERVAL: '300ms',
    RETENTION_FILE: retentionFile(`
rules:
  - repositories: [team/*]
    keep: [{tags: ['nightly*'], pushedWithin: 12h}, {tags: ['v*']}]
`),
  });
  const warning = '299 - "retention deletes the tag nightly within 24 hours unless it is pushed again"';
  const pushed = image();
  await pushImage(server.url, 'team/app', pushed, 'v1');
  const url = (tag: string) => `${server.url}/v2/team/app/manifests/${tag}`;
  const headers = { 'content-type': pushed.descriptor.mediaType };
  const push = await expectStatus(201, url('nightly'), { method: 'PUT', headers, body: pushed.bytes });
  expect(push.headers.get('warning')).toBe(warning);
  // Pulls warn once retention has run.
  await eventually(async () => {
    for (const method of ['GET', 'HEAD']) {
      expect((await expectStatus(200, url('nightly'), { method })).headers.get('warning')).toBe(warning);
    }
  });
  expect((await expectStatus(200, url('v1'))).headers.get('warning')).toBeNull();
  expect((await expectStatus(200, url(pushed.descriptor.digest))).headers.get('warning')).toBeNull();
});
