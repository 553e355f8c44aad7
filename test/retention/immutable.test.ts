// Immutable tags as clients meet them, and what a wrong retention file does to a start.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from '../support/command.ts';
import { image, pushImage } from '../support/oci.ts';
import { cleanUp, projectRoot, startServer, temporaryFolder } from '../support/server.ts';

setDefaultTimeout(60_000);
afterAll(cleanUp);

function retentionFile(text: string): string {
  const path = join(temporaryFolder('retention'), 'retention.yaml');
  writeFileSync(path, text);
  return path;
}

test('an immutable tag can be neither moved nor deleted: DENIED, and a message that says what to do', async () => {
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

test('a wrong retention file stops the start of nodes and workers, with the place in it', async () => {
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
