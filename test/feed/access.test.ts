// Who sees which changes.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { type Image, image } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { EventStream, pageOf, readAll, readUntil, refusalOf } from './client.ts';

setDefaultTimeout(300_000);

const RULES = `
rules:
  - {who: admin, repositories: ['**'], actions: [pull, push, catalog]}
  - {who: reader, repositories: ['team/**'], actions: [pull]}
`;

let server: Server;

beforeAll(async () => {
  const folder = temporaryFolder('feed-access');
  const [ACCESS_FILE, HTPASSWD_FILE] = [join(folder, 'access.yaml'), join(folder, 'htpasswd')];
  const line = (name: string): string =>
    `${name}:${Bun.password.hashSync(`password of ${name}`, { algorithm: 'bcrypt', cost: 4 })}\n`;
  writeFileSync(ACCESS_FILE, RULES);
  writeFileSync(HTPASSWD_FILE, ['admin', 'reader', 'nobody'].map(line).join(''));
  server = await startServer({ ACCESS_FILE, HTPASSWD_FILE });
  for (const repo of ['secret/app', 'team/app', 'secret/other', 'team/other']) await push(repo, image());
});
afterAll(cleanUp);

function basic(name: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${name}:password of ${name}`).toString('base64')}` };
}

async function push(repo: string, pushed: Image): Promise<void> {
  const send = async (target: string, init: RequestInit): Promise<void> => {
    const response = await fetch(`${server.url}/v2/${repo}/${target}`, {
      ...init,
      headers: { ...basic('admin'), ...init.headers },
    });
    expect([target, response.status, response.ok ? '' : await response.text()]).toEqual([target, 201, '']);
  };
  for (const { bytes, descriptor } of pushed.blobs)
    await send(`blobs/uploads/?digest=${descriptor.digest}`, { method: 'POST', body: new Uint8Array(bytes) });
  const headers = { 'content-type': pushed.descriptor.mediaType };
  await send('manifests/v1', { method: 'PUT', body: new Uint8Array(pushed.bytes), headers });
}

function repositories(changes: readonly { readonly repository: string }[]): string[] {
  return [...new Set(changes.map(({ repository }) => repository))].sort();
}

test('changes are those of repositories that the caller may pull from, also where a page is cut', async () => {
  const isComplete = (changes: readonly { readonly repository: string }[]) => repositories(changes).length === 4;
  await readUntil(server.url, 'beginning', isComplete, { type: 'tag.set' }, basic('admin'));
  const { changes } = await readAll(server.url, 'beginning', { limit: 2 }, basic('reader'));
  expect(repositories(changes)).toEqual(['team/app', 'team/other']);
  const first = await pageOf(server.url, { type: 'tag.set', limit: 1 }, basic('reader'));
  expect(first.changes.map(({ repository }) => repository)).toEqual(['team/app']);
  expect((await readAll(server.url, 'beginning', {}, basic('nobody'))).changes).toEqual([]);
  const named = await readAll(server.url, 'beginning', { repository: 'secret/**' }, basic('reader'));
  expect(named.changes).toEqual([]);
});

test("another caller's cursor shows nothing of the other's", async () => {
  const { cursor } = await pageOf(server.url, { limit: 1 }, basic('admin'));
  const { changes } = await readAll(server.url, cursor, {}, basic('reader'));
  expect(repositories(changes)).toEqual(['team/app', 'team/other']);
});

test('a stream shows no more than pages do', async () => {
  const stream = new EventStream(server.url, { type: 'tag.set' }, basic('reader'));
  await eventually(() => expect(stream.events.length).toBe(2));
  await push('secret/third', image());
  await push('team/third', image());
  await eventually(() => expect(stream.events.length).toBe(3));
  expect(repositories(stream.events.map(({ change }) => change))).toEqual(['team/app', 'team/other', 'team/third']);
  stream.close();
});

test('a caller without credentials is asked for some', async () => {
  expect(await refusalOf(server.url, {})).toEqual([401, 'UNAUTHORIZED']);
  expect(await refusalOf(server.url, { since: 'forged' })).toEqual([401, 'UNAUTHORIZED']);
});
