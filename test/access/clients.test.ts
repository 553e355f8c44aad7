// Real clients log in, push, mount, pull and are refused, each with its own way of getting a token.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { join } from 'node:path';
import { readLayout, runnableImage, writeLayout } from '../clients/layout.ts';
import { attempt, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { passwordOf, writeAccessFiles } from './world.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const folder = temporaryFolder('access-clients');
const layout = join(folder, 'image');
let crane: string;
let skopeo: string;
let server: Server;

beforeAll(async () => {
  [crane, skopeo] = await tools('crane', 'skopeo');
  // Clients follow the realm, so it has to be where the server is.
  server = await startServer({ ...writeAccessFiles().env, PUBLIC_HOSTS: '' });
  const image = await runnableImage();
  writeLayout(layout, image, image.blobs, 'v1');
}, TOOLS_WITHIN_MS);

/** The clients, each logged in as an account. */
const CLIENTS = {
  crane: (account: string | undefined) => {
    const env = { DOCKER_CONFIG: join(folder, `crane-${account ?? 'nobody'}`) };
    const crane_ = (...rest: string[]) => attempt([crane, '--insecure', ...rest], { env });
    return {
      logIn: (password: string) =>
        run([crane, '--insecure', 'auth', 'login', server.host, '-u', account ?? '', '-p', password], { env }),
      push: (to: string) => crane_('push', layout, `${server.host}/${to}`),
      pull: (from: string, into: string) => crane_('pull', '--format=oci', `${server.host}/${from}`, into),
      copy: (from: string, to: string) => crane_('copy', `${server.host}/${from}`, `${server.host}/${to}`),
      list: (repo: string) => crane_('ls', `${server.host}/${repo}`),
      remove: (reference: string) => crane_('delete', `${server.host}/${reference}`),
    };
  },
  skopeo: (account: string | undefined) => {
    const env = { REGISTRY_AUTH_FILE: join(folder, `skopeo-${account ?? 'nobody'}.json`) };
    const copy = (from: string, to: string) =>
      attempt([skopeo, '--insecure-policy', 'copy', '--src-tls-verify=false', '--dest-tls-verify=false', from, to], {
        env,
      });
    const at = (reference: string) => `docker://${server.host}/${reference}`;
    return {
      logIn: (password: string) =>
        run([skopeo, 'login', '--tls-verify=false', '-u', account ?? '', '-p', password, server.host], { env }),
      push: (to: string) => copy(`oci:${layout}:v1`, at(to)),
      pull: (from: string, into: string) => copy(at(from), `oci:${into}:v1`),
      copy: (from: string, to: string) => copy(at(from), at(to)),
      list: (repo: string) => attempt([skopeo, 'list-tags', '--tls-verify=false', at(repo)], { env }),
      remove: (reference: string) => attempt([skopeo, 'delete', '--tls-verify=false', at(reference)], { env }),
    };
  },
};

async function loggedIn(name: keyof typeof CLIENTS, account: string) {
  const client = CLIENTS[name](account);
  await client.logIn(passwordOf(account));
  return client;
}

test.each(['crane', 'skopeo'] as const)(
  '%s logs in, pushes, copies and pulls, and reports what is forbidden',
  async (name) => {
    const pusher = await loggedIn(name, 'pusher');
    const reader = await loggedIn(name, 'reader');
    const deleter = await loggedIn(name, 'deleter');
    const nobody = CLIENTS[name](undefined);
    const repo = `ours/${name}`;

    expect(await pusher.push(`${repo}:v1`)).toMatchObject({ code: 0 });
    expect(await pusher.copy(`${repo}:v1`, `${repo}/copy:v1`)).toMatchObject({ code: 0 });
    const pulled = join(folder, `${name}-pulled`);
    expect(await reader.pull(`${repo}/copy:v1`, pulled)).toMatchObject({ code: 0 });
    const contents = readLayout(pulled);
    for (const [digest, bytes] of readLayout(layout)) expect(contents.get(digest)).toEqual(bytes);
    expect(new TextDecoder().decode((await reader.list(repo)).stdout)).toContain('v1');

    for (const refused of [
      () => reader.push(`${repo}:v2`),
      () => pusher.push('them/app:v1'),
      () => pusher.remove(`${repo}:v1`),
      () => nobody.pull(`${repo}:v1`, join(folder, `${name}-refused`)),
      () => nobody.push('free/app:v1'),
      () => reader.pull('them/app:v1', join(folder, `${name}-refused`)),
    ]) {
      expect((await refused()).code).not.toBe(0);
    }
    expect(await deleter.remove(`${repo}:v1`)).toMatchObject({ code: 0 });
  },
);

test.each(['crane', 'skopeo'] as const)('%s pulls public images without an account', async (name) => {
  const admin = await loggedIn(name, 'admin');
  expect(await admin.push(`free/${name}:v1`)).toMatchObject({ code: 0 });
  const pulled = join(folder, `${name}-public`);
  expect(await CLIENTS[name](undefined).pull(`free/${name}:v1`, pulled)).toMatchObject({ code: 0 });
  expect(readLayout(pulled).size).toBe(readLayout(layout).size);
});

test('skopeo cannot log in with a wrong password', async () => {
  await expect(CLIENTS.skopeo('pusher').logIn('wrong')).rejects.toThrow(/unauthorized|invalid username\/password/i);
});

test('no password and no token is in the log', () => {
  const logs = server.logs();
  expect(logs).toContain('"actor":"user:pusher"');
  for (const account of ['pusher', 'reader', 'deleter', 'admin']) {
    expect(logs).not.toContain(passwordOf(account));
    expect(logs).not.toContain(Buffer.from(`${account}:${passwordOf(account)}`).toString('base64'));
  }
  expect(logs).not.toMatch(/eyJ[\w-]+\.eyJ/);
});
