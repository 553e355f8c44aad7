// ACCESS_FILE of a running server: the rules that it starts with, and those that it reads again.
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { cleanUp, projectRoot, startServer, temporaryFolder } from '../support/server.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const PULL = "rules:\n  - {who: anonymous, repositories: ['public/**'], actions: [pull]}\n";
const PUSH =
  "rules:\n  - {who: anonymous, repositories: ['public/**'], actions: [pull, push]}\n  - {who: anonymous, actions: [metrics]}\n";

/** Replaces the file atomically, as editors do. */
function write(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

test('rules apply to anonymous clients, and can change while the server runs', async () => {
  const path = join(temporaryFolder('access'), 'access.yaml');
  write(path, PULL);
  const server = await startServer({ ACCESS_FILE: path });
  const push = async (name: string) =>
    (await fetch(`${server.url}/v2/${name}/blobs/uploads/`, { method: 'POST' })).status;
  const tags = async (name: string) => (await fetch(`${server.url}/v2/${name}/tags/list`)).status;
  const metrics = async () => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    return text.split('\n').filter((line) => line.startsWith('marina_config_file') && line.includes('ACCESS_FILE'));
  };
  // Nothing exists yet, but only callers who may pull learn that.
  expect([await tags('public/a'), await tags('private/a'), await push('public/a')]).toEqual([404, 401, 401]);

  write(path, PUSH);
  await eventually(async () => expect(await push('public/a')).toBe(202));
  expect(await push('private/a')).toBe(401);
  const hash = createHash('sha256').update(PUSH).digest('hex');
  // Each thread of the server reads the file by itself.
  await eventually(async () =>
    expect(await metrics()).toEqual([
      `marina_config_file_info{file="ACCESS_FILE",hash="${hash}"} 1`,
      'marina_config_file_current{file="ACCESS_FILE"} 1',
      'marina_config_file_reloads_total{file="ACCESS_FILE",result="loaded"} 1',
      'marina_config_file_reloads_total{file="ACCESS_FILE",result="refused"} 0',
    ]),
  );

  write(path, 'rules:\n  - hunter2: x\n');
  await eventually(() => expect(server.logs()).toContain('its last good content stays in use'));
  expect(await push('public/a')).toBe(202);
  await eventually(async () =>
    expect(await metrics()).toEqual([
      `marina_config_file_info{file="ACCESS_FILE",hash="${hash}"} 1`,
      'marina_config_file_current{file="ACCESS_FILE"} 0',
      'marina_config_file_reloads_total{file="ACCESS_FILE",result="loaded"} 1',
      'marina_config_file_reloads_total{file="ACCESS_FILE",result="refused"} 1',
    ]),
  );
  expect(server.logs()).toContain(`ACCESS_FILE=${path} cannot be used: line 2, column 5 (rules[0].who): `);
  expect(server.logs()).not.toContain('hunter2');

  write(path, PULL);
  await eventually(async () => expect(await push('public/a')).toBe(401));
  expect(await server.stop()).toBe(0);
});

describe('a wrong file stops the start before the store is opened, with one line that names file and reason:', () => {
  const accounts = join(temporaryFolder('access'), 'accounts');
  write(accounts, '');
  const wrong = {
    ACCESS_FILE: {
      text: 'rules:\n  - who: group:none\n    repositories: [a]\n    actions: [pull]\n',
      reason: 'line 2, column 10 (rules[0].who): `groups` has no group of this name',
    },
    HTPASSWD_FILE: {
      text: 'alice:$apr1$x$y\n',
      reason:
        'line 1: its hash is MD5, not bcrypt or argon2id: set its password again with "marina user passwd" or "htpasswd -B"',
    },
    TOKEN_KEY_FILE: {
      text: '-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n',
      reason: 'key 1 of 1 cannot be read: an EC P-256 or Ed25519 private key (PEM, not encrypted) is expected',
    },
  };
  for (const [name, { text, reason }] of Object.entries(wrong)) {
    test(name, async () => {
      const folder = temporaryFolder('access');
      const [path, data] = [join(folder, 'file'), join(folder, 'data')];
      write(path, text);
      const { code, stderr } = await attempt(
        [join(projectRoot, 'node_modules', '.bin', 'bun'), join(projectRoot, 'src', 'main.ts')],
        { env: { HTPASSWD_FILE: accounts, [name]: path, PORT: '0', STORAGE_PATH: data } },
      );
      expect([code, stderr]).toEqual([1, `marina: ${name}=${path} cannot be used: ${reason}\n`]);
      expect(existsSync(data)).toBe(false);
    });
  }
});

test('with only HTPASSWD_FILE, callers without an account may do nothing', async () => {
  const path = join(temporaryFolder('access'), 'htpasswd');
  write(path, '');
  const server = await startServer({ HTPASSWD_FILE: path });
  for (const request of ['', 'a/tags/list', '_catalog'])
    expect([request, (await fetch(`${server.url}/v2/${request}`)).status]).toEqual([request, 401]);
  expect(await server.stop()).toBe(0);
});
