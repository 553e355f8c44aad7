// Robots of one server on a data folder.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { robotSlotKey } from '../../src/storage/paths.ts';
import { copyOf, flipByte, fsck, marina } from '../cli/marina.ts';
import { readLayout, runnableImage, writeLayout } from '../clients/layout.ts';
import { attempt, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { basic, bearer, refreshed, robot, robotsIn, secretFrom, statusOf, tokensFor } from './robots.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const folder = temporaryFolder('robots');
const STORAGE_PATH = join(folder, 'data');
const ACCESS_FILE = join(folder, 'access.yaml');
const SCOPE = 'repository:team/app:pull,push';
const env = { STORAGE_PATH };
let server: Server;
let crane: string;

beforeAll(async () => {
  writeFileSync(ACCESS_FILE, `rules: [{ who: 'robot:ci-*', repositories: ['team/**'], actions: [pull, push] }]\n`);
  server = await startServer({ ACCESS_FILE, STORAGE_PATH });
  [crane] = await tools('crane');
}, TOOLS_WITHIN_MS);

test('a client logs in as a robot, pushes and pulls what the rules allow it, and nothing after the robot was revoked', async () => {
  const secret = await secretFrom(env, 'create', 'ci-crane', '--expires', '90d');
  const image = await runnableImage();
  const layout = join(folder, 'image');
  writeLayout(layout, image, image.blobs, 'v1');
  const config = { env: { DOCKER_CONFIG: join(folder, 'crane') } };
  await run([crane, 'auth', 'login', server.host, '--username=robot+ci-crane', '--password-stdin'], {
    ...config,
    input: secret,
  });
  await run([crane, 'push', layout, `${server.host}/team/app:v1`], config);
  await run([crane, 'pull', '--format=oci', `${server.host}/team/app:v1`, join(folder, 'pulled')], config);
  expect(readLayout(join(folder, 'pulled'))).toEqual(readLayout(layout));
  const elsewhere = await attempt([crane, 'push', layout, `${server.host}/other/app:v1`], config);
  expect(elsewhere.code).not.toBe(0);
  // Events name the robot, and no part of its secret is in the store or in the server's log.
  expect((await marina(STORAGE_PATH, 'history', 'team/app', 'v1', '--json')).stdout).toContain(
    '"actor":"robot:ci-crane"',
  );
  const slots = readdirSync(join(STORAGE_PATH, 'robots'));
  expect(slots).not.toBeEmpty();
  for (const name of slots)
    expect(readFileSync(join(STORAGE_PATH, 'robots', name), 'utf8')).not.toContain('marina_rt_');
  expect(server.logs()).not.toContain('marina_rt_');
  expect((await robot(env, 'revoke', 'ci-crane')).code).toBe(0);
  const revoked = await attempt([crane, 'pull', `${server.host}/team/app:v1`, join(folder, 'none')], config);
  expect(revoked.code).not.toBe(0);
  expect(revoked.stderr.toLowerCase()).toContain('unauthorized');
});

describe('credentials of a robot become invalid immediately', () => {
  const url = (): string => `${server.url}/v2/`;

  test('when it is revoked', async () => {
    const secret = await secretFrom(env, 'create', 'ci-revoked');
    const { access, refresh, expiresIn } = await tokensFor(server.url, 'ci-revoked', secret, SCOPE);
    expect(expiresIn).toBe(300);
    const statuses = async () => [
      await statusOf(url(), basic('ci-revoked', secret)),
      await statusOf(url(), bearer(access)),
      await refreshed(server.url, refresh),
    ];
    expect(await statuses()).toEqual([200, 200, 200]);
    expect((await robot(env, 'revoke', 'ci-revoked')).stdout).toBe('revoked ci-revoked\n');
    expect(await statuses()).toEqual([401, 401, 401]);
    // The name is free again, and credentials of the first robot stay invalid.
    await secretFrom(env, 'create', 'ci-revoked');
    expect(await statuses()).toEqual([401, 401, 401]);
  });

  test('when it is rotated', async () => {
    const secret = await secretFrom(env, 'create', 'ci-rotated');
    const { access, refresh } = await tokensFor(server.url, 'ci-rotated', secret, SCOPE);
    const next = await secretFrom(env, 'rotate', 'ci-rotated');
    expect(await statusOf(url(), basic('ci-rotated', secret))).toBe(401);
    expect(await statusOf(url(), bearer(access))).toBe(401);
    expect(await refreshed(server.url, refresh)).toBe(401);
    expect(await statusOf(url(), basic('ci-rotated', next))).toBe(200);
  });

  test('when it expires', async () => {
    const secret = await secretFrom(env, 'create', 'ci-short', '--expires', '10s');
    const { access, refresh, expiresIn } = await tokensFor(server.url, 'ci-short', secret, SCOPE);
    expect(expiresIn).toBe(60);
    expect(await statusOf(url(), bearer(access))).toBe(200);
    await eventually(async () => expect(await statusOf(url(), basic('ci-short', secret))).toBe(401));
    expect(await statusOf(url(), bearer(access))).toBe(401);
    expect(await refreshed(server.url, refresh)).toBe(401);
    expect((await robot(env, 'list')).stdout).toMatch(/ci-short .*expired /);
    expect((await robot(env, 'rotate', 'ci-short')).stderr).toContain('has expired: give it a new lifetime');
    const next = await secretFrom(env, 'rotate', 'ci-short', '--expires', '1h');
    expect(await statusOf(url(), basic('ci-short', next))).toBe(200);
  });
});

test('commands refuse impossible changes in one line', async () => {
  await secretFrom(env, 'create', 'ci-once');
  expect(await robot(env, 'create', 'ci-once')).toMatchObject({
    ...{
      code: 1,
      stdout: '',
      stderr: 'marina: the robot ci-once already exists: rotate it to give it a new secret\n',
    },
  });
  for (const verb of ['rotate', 'revoke'])
    expect(await robot(env, verb, 'nobody')).toMatchObject({ code: 1, stderr: 'marina: there is no robot nobody\n' });
  expect(await robot(env, 'create', 'Not Valid')).toMatchObject({ code: 2, stdout: '' });
  for (const expires of ['0s', 'soon', '-1d', '999999999d'])
    expect(await robot(env, 'create', 'ci-x', `--expires=${expires}`)).toMatchObject({ code: 2, stdout: '' });
  expect((await marina(STORAGE_PATH, 'read-only', 'on')).code).toBe(0);
  expect(await robot(env, 'create', 'ci-x')).toMatchObject({ code: 2, stdout: '' });
  expect((await marina(STORAGE_PATH, 'read-only', 'off')).code).toBe(0);
  expect((await robotsIn(env)).map(({ name }) => name)).not.toContain('ci-x');
});

test('metrics show the number of robots, their logins and the age of the last poll', async () => {
  const file = join(folder, 'metrics.yaml');
  writeFileSync(file, `rules: [{ who: 'robot:*', actions: [metrics] }]\n`);
  const own = await startServer({ ACCESS_FILE: file });
  const secret = await secretFrom({ STORAGE_PATH: own.dataPath }, 'create', 'prometheus');
  const metrics = async () =>
    await (await fetch(`${own.url}/metrics`, { headers: basic('prometheus', secret) })).text();
  const text = await metrics();
  expect(text).toContain('marina_robots 1\n');
  expect(text).toContain('marina_robot_answers_total{outcome="right"} 1\n');
  // A poll may be late on a busy machine.
  await eventually(async () =>
    expect(Number(/^marina_robots_age_seconds (.+)$/m.exec(await metrics())?.[1])).toBeWithin(0, 5),
  );
});

describe('a server that is killed while it creates a robot', () => {
  /** @returns the result: a robot without a known secret, or none */
  async function killedAt(point: string): Promise<readonly string[]> {
    const dataPath = join(temporaryFolder('robots-killed'), 'data');
    const settings = { STORAGE_PATH: dataPath, ACCESS_FILE };
    const dying = await startServer({ ...settings, CRASH_POINT: point });
    const failed = await robot(settings, 'create', 'ci-lost');
    expect([failed.code, failed.stdout]).toEqual([2, '']);
    expect(failed.stderr).toMatch(/^marina: .*robot list.*\n$/);
    await dying.process.exited;
    expect(dying.process.signalCode).toBe('SIGKILL');
    await dying.kill();
    const names = (await robotsIn(settings)).map(({ name }) => name);
    const next = await startServer(settings);
    expect((await robotsIn(settings)).map(({ name }) => name)).toEqual(names);
    const secret = await secretFrom(settings, names.length === 0 ? 'create' : 'rotate', 'ci-lost');
    expect(await statusOf(`${next.url}/v2/`, basic('ci-lost', secret))).toBe(200);
    expect((await fsck(dataPath)).findings).toEqual([]);
    return names;
  }

  test('before the slot is written leaves no robot', async () => {
    expect(await killedAt('create.before-write:3')).toEqual([]);
  });

  test('after the slot is written leaves a robot whose secret was never shown, and rotate gives it a new one', async () => {
    expect(await killedAt('append.before-apply')).toEqual(['ci-lost']);
  });
});

test('fsck finds altered and missing slots of the log of robots', async () => {
  const dataPath = join(temporaryFolder('robots-fsck'), 'data');
  await (await startServer({ STORAGE_PATH: dataPath })).stop();
  // Robots can be changed without a server too.
  for (const name of ['ci-f1', 'ci-f2']) await secretFrom({ STORAGE_PATH: dataPath }, 'create', name);
  expect((await fsck(dataPath)).findings).toEqual([]);
  const altered = copyOf(dataPath);
  const text = readFileSync(join(altered, robotSlotKey(1)), 'utf8');
  writeFileSync(join(altered, robotSlotKey(1)), text.replace('operator:', 'operatoR:'));
  expect((await fsck(altered)).faults).toEqual([
    expect.objectContaining({ problem: 'chain-broken', log: 'robots', slot: 2 }),
  ]);
  const broken = copyOf(dataPath);
  flipByte(join(broken, robotSlotKey(2)), 0);
  expect((await fsck(broken)).faults).toEqual([
    expect.objectContaining({ problem: 'slot-unusable', log: 'robots', slot: 2 }),
  ]);
});
