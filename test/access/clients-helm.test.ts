// helm logs in, pushes and pulls a chart, and is refused, through tokens.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { passwordOf, writeAccessFiles } from './world.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const folder = temporaryFolder('helm');
let helm: string;
let server: Server;

beforeAll(async () => {
  [helm] = await tools('helm');
  server = await startServer({ ...writeAccessFiles().env, PUBLIC_HOSTS: '' });
  const chart = join(folder, 'shop');
  mkdirSync(join(chart, 'templates'), { recursive: true });
  writeFileSync(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: shop\nversion: 1.0.0\n');
  writeFileSync(join(chart, 'templates', 'names.yaml'), 'kind: ConfigMap\napiVersion: v1\nmetadata: { name: shop }\n');
  await run([helm, 'package', chart, '--destination', folder]);
}, TOOLS_WITHIN_MS);

/** helm as one account, with its own login. */
const as = (account: string) => {
  const config = `--registry-config=${join(folder, `${account}.json`)}`;
  const plain = ['--plain-http', config];
  return {
    logIn: (password = passwordOf(account)) => {
      const login = [helm, 'registry', 'login', server.host, ...plain, '--username', account, '--password-stdin'];
      return attempt(login, { input: password });
    },
    logOut: () => attempt([helm, 'registry', 'logout', server.host, config]),
    push: (repo: string) =>
      attempt([helm, 'push', join(folder, 'shop-1.0.0.tgz'), `oci://${server.host}/${repo}`, ...plain]),
    pull: (repo: string, into: string) => {
      mkdirSync(into, { recursive: true });
      const chart = [`oci://${server.host}/${repo}`, '--version=1.0.0', `--destination=${into}`];
      return attempt([helm, 'pull', ...chart, ...plain]);
    },
    show: (repo: string) => attempt([helm, 'show', 'chart', `oci://${server.host}/${repo}`, ...plain]),
  };
};

test('helm logs in, pushes a chart, and pulls the same bytes', async () => {
  expect(await as('pusher').logIn()).toMatchObject({ code: 0 });
  expect(await as('pusher').push('ours/charts')).toMatchObject({ code: 0 });
  expect(await as('reader').logIn()).toMatchObject({ code: 0 });
  const into = join(folder, 'pulled');
  expect(await as('reader').pull('ours/charts/shop', into)).toMatchObject({ code: 0 });
  const pushed = readFileSync(join(folder, 'shop-1.0.0.tgz'));
  expect(readFileSync(join(into, 'shop-1.0.0.tgz')).equals(pushed)).toBe(true);
  const shown = await as('reader').show('ours/charts/shop');
  expect(new TextDecoder().decode(shown.stdout)).toContain('name: shop');
  await eventually(() => expect(server.logs()).toContain('"actor":"user:pusher"'));
});

test('helm pulls public charts without an account, but cannot push them', async () => {
  await as('admin').logIn();
  expect(await as('admin').push('free/charts')).toMatchObject({ code: 0 });
  expect(await as('nobody').pull('free/charts/shop', join(folder, 'anonymous'))).toMatchObject({ code: 0 });
  expect((await as('nobody').push('free/charts')).stderr).toMatch(/401|unauthorized|credential/i);
});

test('helm reports a wrong password, a missing right to push, and a forbidden chart', async () => {
  expect((await as('pusher').logIn('wrong password')).stderr).toMatch(/401|unauthorized/i);
  await as('pusher').logIn();
  await as('reader').logIn();
  await as('outsider').logIn();
  const refused = await as('reader').push('ours/charts');
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('you may not push to ours/charts/shop with this token');
  for (const repo of ['them/charts/shop', 'ours/missing']) {
    expect((await as('outsider').pull(repo, join(folder, 'refused'))).code).not.toBe(0);
  }
});

test('helm logs out', async () => {
  await as('reader').logIn();
  expect(await as('reader').logOut()).toMatchObject({ code: 0 });
  const { code, stderr } = await as('reader').pull('ours/charts/shop', join(folder, 'refused'));
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/401|unauthorized|credential/i);
});
