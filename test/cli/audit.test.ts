// `marina audit` on stores that real servers made.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { robotSlotKey } from '../../src/storage/paths.ts';
import { basic, robot, secretFrom } from '../access/robots.ts';
import { expectStatus, image, pushBlob, pushImage, pushManifest, randomBlob } from '../support/oci.ts';
import { cleanUp, startServer, temporaryFolder } from '../support/server.ts';
import { follow } from './following.ts';
import { copyOf, linesOf, marina, OPERATOR_HERE, slotPath } from './marina.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const dataPath = join(temporaryFolder('audit'), 'data');
const env = { STORAGE_PATH: dataPath };

interface Audited {
  readonly at: string;
  readonly actor: string;
  readonly repo?: string;
  readonly log?: string;
  readonly seq: number;
  readonly event: { readonly type: string; readonly name?: string; readonly tag?: string };
}

async function audit(path: string, ...options: readonly string[]) {
  const { code, lines, stderr } = await marina(path, 'audit', '--json', ...options);
  return { code, events: lines.map((line): Audited => JSON.parse(line)), errors: linesOf(stderr) };
}

beforeAll(async () => {
  const access = join(temporaryFolder('audit-access'), 'access.yaml');
  const who = ['anonymous', "'robot:ci-*'"].map(
    (each) => `  - { who: ${each}, repositories: ['**'], actions: [pull, push, delete] }\n`,
  );
  writeFileSync(access, `rules:\n${who.join('')}`);
  const server = await startServer({ ...env, ACCESS_FILE: access });
  const pushed = image();
  await pushImage(server.url, 'team/a', pushed, 'v1');
  await pushImage(server.url, 'team/b', pushed, 'v1');
  const headers = basic('ci-1', await secretFrom(env, 'create', 'ci-1'));
  const v1 = `${server.url}/v2/team/a/manifests/v1`;
  await expectStatus(202, v1, { method: 'DELETE', headers });
  expect((await marina(dataPath, 'restore', 'team/a', 'v1')).code).toBe(0);
  expect((await marina(dataPath, 'rm', 'team/b')).code).toBe(0);
  expect((await robot(env, 'revoke', 'ci-1')).code).toBe(0);
  expect(await server.stop()).toBe(0);
});

test('shows all writes to repositories and robots, ordered by time, with their actors', async () => {
  const { code, events, errors } = await audit(dataPath, '--verify');
  expect([code, errors]).toEqual([0, [expect.stringMatching(/^marina: no faults in \d+ slots of 3 logs$/)]]);
  expect(events.map(({ at }) => at)).toEqual(events.map(({ at }) => at).toSorted());
  for (const { actor } of events) expect(actor).toMatch(/^(anonymous|robot:ci-1|operator:\d+)$/);
  const told = events.map(({ actor, repo, log, event: { type } }) => `${actor} ${repo ?? log} ${type}`);
  const from = told.indexOf(`${OPERATOR_HERE} robots robot.created`);
  expect(told.slice(from)).toEqual([
    `${OPERATOR_HERE} robots robot.created`,
    'robot:ci-1 team/a tag.deleted',
    `${OPERATOR_HERE} team/a tag.set`,
    `${OPERATOR_HERE} team/b repo.deleted`,
    `${OPERATOR_HERE} robots robot.revoked`,
  ]);
  expect(new Set(told.slice(0, from).map((each) => each.split(' ')[0]))).toEqual(new Set(['anonymous']));
  // The hash of a secret is of no use.
  expect(JSON.stringify(events)).not.toContain('secret');
});

test('shows only what the options select', async () => {
  const all = (await audit(dataPath)).events;
  const only = async (keep: (event: Audited) => boolean, ...options: readonly string[]): Promise<void> => {
    const kept = all.filter(keep);
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(all.length);
    expect((await audit(dataPath, ...options)).events).toEqual(kept);
  };
  await only(({ repo }) => repo === 'team/b', '--repo', 'team/b');
  await only(({ repo }) => repo !== undefined, '--repo', 'team/*');
  await only(({ actor }) => actor === 'robot:ci-1', '--actor', 'robot:*');
  await only(
    ({ actor, repo }) => actor === OPERATOR_HERE && repo === 'team/a',
    '--actor',
    'operator:*',
    '--repo',
    '*/a',
  );
  const { at } = all.find(({ event }) => event.type === 'robot.created') ?? expect.unreachable();
  await only((event) => event.at >= at, '--since', at);
  expect((await audit(dataPath, '--since', '1d')).events).toEqual(all);
  expect((await audit(dataPath, '--since', '2999-01-01')).events).toEqual([]);
});

test('has a readable format', async () => {
  const { code, lines, stderr } = await marina(dataPath, 'audit', '--actor', 'operator:*');
  expect([code, stderr]).toEqual([0, '']);
  expect(lines.map((line) => line.split(/ {2,}/).slice(1, 5).join('|'))).toEqual([
    `robots|1|${OPERATOR_HERE}|robot.created`,
    expect.stringMatching(/^team\/a\|\d+\|operator:\d+\|tag\.set$/),
    expect.stringMatching(/^team\/b\|\d+\|operator:\d+\|repo\.deleted$/),
    `robots|2|${OPERATOR_HERE}|robot.revoked`,
  ]);
  for (const option of ['--since=yesterday', '--repo=[', '--actor='])
    expect(await marina(dataPath, 'audit', option)).toMatchObject({ code: 2, stdout: '' });
});

describe('a damaged log', () => {
  test('is detected by --verify, which still shows the writes', async () => {
    const damaged = copyOf(dataPath);
    const path = slotPath(damaged, 'team/a', 1);
    writeFileSync(path, readFileSync(path, 'utf8').replace('"actor":"anonymous"', '"actor":"anonymouS"'));
    const { code, events, errors } = await audit(damaged, '--verify');
    expect(code).toBe(1);
    expect(errors).toEqual([
      'marina: team/a, slot 2: its "prev" is not the hash of slot 1: one of the two was altered',
      expect.stringMatching(/^marina: 1 fault in /),
    ]);
    expect(events).toHaveLength((await audit(dataPath)).events.length);
    // Labels of old versions are shown as they are.
    expect(events.map(({ actor }) => actor)).toContain('anonymouS');
  });

  test('of robots is also detected', async () => {
    const damaged = copyOf(dataPath);
    rmSync(join(damaged, robotSlotKey(1)));
    const { code, errors } = await audit(damaged);
    expect([code, errors]).toEqual([1, ['marina: robots, slot 1: it is missing, but slot 2 exists']]);
  });
});

test('--follow shows new writes, including those of new repositories and robots, until it is interrupted', async () => {
  const server = await startServer();
  await pushBlob(server.url, 'old/app', randomBlob(10));
  const following = follow(server, 'audit', '--follow', '--json');
  await following.until((seen) => seen.includes('"repo":"old/app"'));
  const pushed = image();
  await pushImage(server.url, 'old/app', pushed, 'v1');
  await following.until((seen) => seen.includes('"tag":"v1"'));
  await secretFrom({ STORAGE_PATH: server.dataPath }, 'create', 'ci');
  await following.until((seen) => seen.includes('robot.created'));
  await pushImage(server.url, 'new/app', pushed);
  await pushManifest(server.url, 'new/app', pushed, 'v2');
  await following.until((seen) => seen.includes('"tag":"v2"'));
  expect(await following.interrupt()).toBe(0);
  expect(following.errors()).toBe('');
  const lines = linesOf(following.seen());
  expect(new Set(lines).size).toBe(lines.length);
  expect(await server.stop()).toBe(0);
});
