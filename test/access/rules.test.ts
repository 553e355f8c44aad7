// Accounts, rules and tokens together, at a running server.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { image } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';

afterAll(cleanUp);

const folder = temporaryFolder('rules');
const ACCESS_FILE = join(folder, 'access.yaml');
const HTPASSWD_FILE = join(folder, 'htpasswd');
const NAMES = ['reader', 'creator', 'pusher', 'deleter', 'prometheus', 'nobody', 'anonymous'];

const RULES = `
groups:
  writers: [pusher, creator]
rules:
  - {who: anonymous, repositories: ['public/**'], actions: [pull]}
  - {who: everyone, repositories: [base], actions: [pull]}
  - {who: [reader, group:writers, deleter], repositories: ['team/*'], actions: [pull]}
  - {who: creator, repositories: ['team/*'], actions: [create]}
  - {who: pusher, repositories: ['team/*', 'public/**', base], actions: [push]}
  - {who: deleter, repositories: ['team/*'], actions: [delete]}
  - {who: prometheus, actions: [metrics, catalog]}
  - {who: reader, actions: [catalog]}
`;

function write(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

/** With the lowest cost: these tests are not about guessing. */
function line(name: string): string {
  return `${name}:${Bun.password.hashSync(`password of ${name}`, { algorithm: 'bcrypt', cost: 4 })}`;
}

let server: Server;
beforeAll(async () => {
  write(HTPASSWD_FILE, `${NAMES.map(line).join('\n')}\n`);
  write(ACCESS_FILE, RULES);
  server = await startServer({ ACCESS_FILE, HTPASSWD_FILE });
  for (const repo of ['team/a', 'public/a', 'base']) await pushAll(repo);
}, 120_000);

const [first, second] = [image(), image()];

function basic(name: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${name}:password of ${name}`).toString('base64')}` };
}

async function statusOf(path: string, headers: Record<string, string>, init: RequestInit = {}): Promise<number> {
  const response = await fetch(`${server.url}${path}`, { ...init, headers: { ...headers, ...init.headers } });
  await response.arrayBuffer();
  return response.status;
}

function pushTag(repo: string, tag: string, pushed: typeof first, headers: Record<string, string>): Promise<number> {
  const { bytes, descriptor } = pushed;
  return statusOf(`/v2/${repo}/manifests/${tag}`, headers, {
    method: 'PUT',
    body: bytes,
    headers: { 'content-type': descriptor.mediaType },
  });
}

/** Both images as the pusher, and the tag v1 for the first. */
async function pushAll(repo: string): Promise<void> {
  for (const { bytes, descriptor } of [first, second].flatMap(({ blobs }) => blobs)) {
    const path = `/v2/${repo}/blobs/uploads/?digest=${descriptor.digest}`;
    expect(await statusOf(path, basic('pusher'), { method: 'POST', body: bytes })).toBe(201);
  }
  expect(await pushTag(repo, 'v1', first, basic('pusher'))).toBe(201);
}

const tagsOf = (repo: string, headers: Record<string, string>) => statusOf(`/v2/${repo}/tags/list`, headers);

describe('each account may do what its rules allow', () => {
  test('pull', async () => {
    for (const name of ['reader', 'creator', 'pusher', 'deleter'])
      expect([name, await tagsOf('team/a', basic(name))]).toEqual([name, 200]);
    for (const name of ['prometheus', 'nobody', 'anonymous']) {
      expect([name, await tagsOf('team/a', basic(name))]).toEqual([name, 404]);
      expect([name, await tagsOf('base', basic(name)), await tagsOf('public/a', basic(name))]).toEqual([
        name,
        200,
        200,
      ]);
    }
    expect([await tagsOf('public/a', {}), await tagsOf('base', {}), await tagsOf('team/a', {})]).toEqual([
      200, 401, 401,
    ]);
  });

  test('create makes tags and never moves one; push moves them; others do neither', async () => {
    for (const name of ['reader', 'deleter', 'nobody'])
      expect([name, await pushTag('team/a', name, first, basic(name))]).toEqual([name, 403]);
    expect(await pushTag('team/a', 'new', first, basic('creator'))).toBe(201);
    expect(await pushTag('team/a', 'new', first, basic('creator'))).toBe(201);
    expect(await pushTag('team/a', 'new', second, basic('creator'))).toBe(403);
    expect(await pushTag('team/a', 'new', second, basic('pusher'))).toBe(201);
    expect(await pushTag('other/a', 'new', first, basic('pusher'))).toBe(403);
  });

  test('delete', async () => {
    for (const [name, status] of [
      ['reader', 403],
      ['pusher', 403],
      ['nobody', 403],
      ['deleter', 202],
    ] as const)
      expect([name, await statusOf('/v2/team/a/manifests/new', basic(name), { method: 'DELETE' })]).toEqual([
        name,
        status,
      ]);
  });

  test('the catalog', async () => {
    const catalog = async (name: string) =>
      await (await fetch(`${server.url}/v2/_catalog`, { headers: basic(name) })).json();
    expect(await catalog('reader')).toEqual({ repositories: ['base', 'public/a', 'team/a'] });
    expect(await catalog('prometheus')).toEqual({ repositories: ['base', 'public/a'] });
    expect(await statusOf('/v2/_catalog', basic('pusher'))).toBe(403);
  });

  test('the catalog of the past names what the caller may pull today', async () => {
    // The second in which a request comes is part of the past that it may ask for.
    const second = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').toLowerCase();
    const path = `/v2/at/${second}z/_catalog`;
    const catalog = async (name: string) =>
      await (await fetch(`${server.url}${path}`, { headers: basic(name) })).json();
    expect(await catalog('reader')).toEqual({ repositories: ['base', 'public/a', 'team/a'] });
    expect(await catalog('prometheus')).toEqual({ repositories: ['base', 'public/a'] });
    expect(await statusOf(path, basic('pusher'))).toBe(403);
  });

  test('the metrics', async () => {
    expect([await statusOf('/metrics', basic('prometheus')), await statusOf('/metrics', basic('reader'))]).toEqual([
      200, 403,
    ]);
  });
});

test('the log names the rule that allows a request, and the nearest to one that was refused', async () => {
  await tagsOf('public/a', basic('reader'));
  await pushTag('team/a', 'refused', first, basic('reader'));
  const lines = () =>
    server
      .logs()
      .split('\n')
      .filter((line) => line.includes('"actor":"user:reader"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  await eventually(() => {
    expect(lines()).toContainEqual(
      expect.objectContaining({ msg: 'request', path: '/v2/public/a/tags/list', rule: 1, client: '127.0.0.1' }),
    );
    expect(lines()).toContainEqual(
      expect.objectContaining({ msg: 'a request was refused', repository: 'team/a', action: 'create', nearestRule: 3 }),
    );
  });
  expect(lines().filter((line) => line.path === '/v2/team/a/manifests/refused' && 'rule' in line)).toEqual([]);
});

test('a token allows only what the current rules allow', async () => {
  const scope = 'repository:team/a:pull,push';
  const response = await fetch(`${server.url}/token?service=${server.host}&scope=${scope}`, {
    headers: basic('pusher'),
  });
  const { token } = (await response.json()) as { token: string };
  const bearer = { authorization: `Bearer ${token}` };
  expect([await pushTag('team/a', 'v2', first, bearer), await tagsOf('team/a', bearer)]).toEqual([201, 200]);
  write(ACCESS_FILE, RULES.replace('who: pusher', 'who: nobody'));
  // Each thread of the server reads the file by itself.
  await eventually(async () => {
    expect(await pushTag('team/a', 'v2', second, bearer)).toBe(401);
    expect(await tagsOf('team/a', bearer)).toBe(200);
    expect(await pushTag('team/a', 'v2', second, basic('nobody'))).toBe(201);
  }, 20_000);
  write(ACCESS_FILE, RULES);
  await eventually(async () => expect(await pushTag('team/a', 'v2', second, bearer)).toBe(201), 20_000);
});
