// Immutable tags from the view of clients, and starts with an invalid retention file.
import { afterAll, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventsOf, marina, marinaCommand, OPERATOR_HERE } from '../cli/marina.ts';
import { attempt } from '../support/command.ts';
import { type Image, image, pushImage } from '../support/oci.ts';
import { cleanUp, projectRoot, startServer, temporaryFolder } from '../support/server.ts';

afterAll(cleanUp);

function retentionFile(text: string): string {
  const path = join(temporaryFolder('retention'), 'retention.yaml');
  writeFileSync(path, text);
  return path;
}

test('an immutable tag can be neither moved nor deleted: DENIED, with a message that says what to do', async () => {
  const RETENTION_FILE = retentionFile(`
rules:
  - repositories: [team/*]
    immutable: {tags: ['v*'], except: ['v*-rc*']}
`);
  const { url } = await startServer({ RETENTION_FILE });
  const [first, second] = [image(), image()];
  for (const pushed of [first, second]) await pushImage(url, 'team/app', pushed, 'latest');
  const push = (pushed: typeof first, reference: string, query = '') =>
    fetch(`${url}/v2/team/app/manifests/${reference}${query}`, {
      method: 'PUT',
      body: new Uint8Array(pushed.bytes),
      headers: { 'content-type': pushed.descriptor.mediaType },
    });
  const remove = (reference: string) => fetch(`${url}/v2/team/app/manifests/${reference}`, { method: 'DELETE' });
  const digestOf = async (reference: string) => {
    const response = await fetch(`${url}/v2/team/app/manifests/${reference}`, { method: 'HEAD' });
    return response.headers.get('docker-content-digest');
  };
  for (let time = 0; time < 2; time++) expect((await push(first, 'v1')).status).toBe(201);
  const refusals = [
    await push(second, 'v1'),
    await push(second, second.descriptor.digest, '?tag=v2&tag=v1'),
    await remove('v1'),
    await remove(first.descriptor.digest),
  ];
  for (const [index, response] of refusals.entries()) {
    expect([index, response.status]).toEqual([index, 403]);
    expect(await response.json()).toEqual({
      errors: [
        {
          code: 'DENIED',
          message: expect.stringMatching(
            /^the tag v1 is immutable in team\/app and cannot be .*: (push under|only the)/,
          ),
          detail: { tags: ['v1'] },
        },
      ],
    });
  }
  expect(await Promise.all(['v1', 'v2', 'latest'].map(digestOf))).toEqual([
    first.descriptor.digest,
    null,
    second.descriptor.digest,
  ]);
  for (const pushed of [first, second]) expect((await push(pushed, 'v1-rc1')).status).toBe(201);
  expect((await remove('v1-rc1')).status).toBe(202);
  expect((await remove(second.descriptor.digest)).status).toBe(202);
});

test('the operator can move an immutable tag by restore and tag --to; for clients it stays immutable', async () => {
  const dataPath = temporaryFolder('rolled-back');
  const RETENTION_FILE = retentionFile("rules: [{repositories: [team/*], immutable: {tags: ['v*']}}]");
  const settings = { STORAGE_PATH: dataPath, RETENTION_FILE, DELETE_ENABLED: 'false' };
  const [first, second, third] = [image(), image(), image()];
  // No rule protects the tag yet.
  let server = await startServer({ STORAGE_PATH: dataPath });
  for (const pushed of [first, second]) await pushImage(server.url, 'team/app', pushed, 'v1');
  expect(await server.stop()).toBe(0);
  const [toFirst, toSecond] = (await eventsOf(dataPath, 'team/app')).filter(({ event }) => event.type === 'tag.set');
  if (toFirst === undefined || toSecond === undefined) return expect.unreachable();

  server = await startServer(settings);
  const { url } = server;
  await pushImage(url, 'team/app', third, 'latest');
  const push = ({ bytes, descriptor }: Image) =>
    fetch(`${url}/v2/team/app/manifests/v1`, {
      method: 'PUT',
      body: new Uint8Array(bytes),
      headers: { 'content-type': descriptor.mediaType },
    });
  /** The tag keeps its digest: a client can push only that one. */
  const checkKept = async (kept: Image, others: readonly Image[] = [first, second, third]): Promise<void> => {
    for (const pushed of others) expect((await push(pushed)).status).toBe(pushed === kept ? 201 : 403);
    const { headers } = await fetch(`${url}/v2/team/app/manifests/v1`, { method: 'HEAD' });
    expect(headers.get('docker-content-digest')).toBe(kept.descriptor.digest);
  };
  await checkKept(second);
  const reportOf = async (...args: readonly string[]) => {
    const { code, stderr, lines } = await marina(dataPath, ...args, '--json');
    expect([code, stderr]).toEqual([0, '']);
    return JSON.parse(lines.at(-1) ?? '');
  };
  const moved = (to: Image, was: Image) => [{ tag: 'v1', digest: to.descriptor.digest, was: was.descriptor.digest }];
  expect((await reportOf('tag', 'team/app', 'v1', '--to', `${toFirst.seq}`)).tags).toEqual(moved(first, second));
  await checkKept(first);
  expect((await reportOf('restore', 'team/app', 'v1', '--at', `${toSecond.seq}`)).tags).toEqual(moved(second, first));
  await checkKept(second);
  expect((await eventsOf(dataPath, 'team/app')).slice(-2).map(({ event }) => [event.tag, event.actor])).toEqual([
    ['v1', OPERATOR_HERE],
    ['v1', OPERATOR_HERE],
  ]);

  // Deleted with its repository, too.
  expect((await marina(dataPath, 'rm', 'team/app')).code).toBe(0);
  expect((await reportOf('restore', 'team/app', 'v1')).tags).toEqual([{ tag: 'v1', digest: second.descriptor.digest }]);
  await pushImage(url, 'team/app', third, 'latest');
  await checkKept(second, [second, third]);
  expect(await server.stop()).toBe(0);

  // Without a server the command itself does the same.
  const alone = ['tag', 'team/app', 'v1', '--to', `${toFirst.seq}`, '--json'];
  const { code, stdout } = await attempt([...marinaCommand, ...alone], { env: settings });
  expect([code, JSON.parse(new TextDecoder().decode(stdout)).tags]).toEqual([0, moved(first, second)]);
});

test('an invalid retention file stops the start of nodes and workers, and names the line', async () => {
  const wrong = retentionFile('rules:\n  - repositories: [team/*]\n    keep: []\n');
  const missing = join(temporaryFolder('retention'), 'none.yaml');
  const bun = join(projectRoot, 'node_modules', '.bin', 'bun');
  const common = { STORAGE_PATH: join(temporaryFolder('data'), 'data'), PORT: '0' };
  for (const [entry, env] of [
    ['src/main.ts', common],
    ['workers/all.ts', { ...common, REDIS_URL: 'redis://127.0.0.1:1' }],
  ] as const) {
    for (const [file, why] of [
      [wrong, 'line 3, column 11 (rules[0].keep): an empty list would delete every tag'],
      [missing, 'it cannot be read: ENOENT'],
    ] as const) {
      const { code, stderr } = await attempt([bun, join(projectRoot, entry)], {
        env: { ...env, RETENTION_FILE: file },
      });
      expect([entry, code, stderr]).toEqual([entry, 1, expect.stringContaining(why)]);
      expect(stderr).toStartWith(`marina: RETENTION_FILE=${file} cannot be used: `);
      expect(stderr.trimEnd()).not.toContain('\n');
    }
  }
});
