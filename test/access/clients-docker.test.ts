// docker without a login, after a logout, and with a login that may not do everything.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { type Docker, startDocker } from '../clients/dockerd.ts';
import { runnableImage } from '../clients/layout.ts';
import { TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { pushImage } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { linesDuring } from './log-lines.ts';
import { passwordOf, writeAccessFiles } from './world.ts';

setDefaultTimeout(120_000);

let docker: Docker;
let server: Server;
/** Names for which dockerd takes plain HTTP. */
let host: string;

beforeAll(async () => {
  await tools('docker', 'dockerd');
  const STORAGE_PATH = temporaryFolder('docker-data');
  const open = await startServer({ STORAGE_PATH });
  for (const repo of ['public/app', 'ours/app', 'elsewhere'])
    await pushImage(open.url, repo, await runnableImage(), 'v1');
  await open.stop();
  server = await startServer({ ...writeAccessFiles().env, PUBLIC_HOSTS: '', STORAGE_PATH });
  host = `localhost:${server.port}`;
  docker = await startDocker();
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await docker.stop();
  await cleanUp();
});

const at = (reference: string): string => `${host}/${reference}`;
const logIn = (account: string) =>
  docker.command('login', `--username=${account}`, `--password=${passwordOf(account)}`, host);
/** What docker says instead of doing it. */
const refusal = (...command: string[]): Promise<string> => docker.command(...command).then(() => 'not refused', String);

test('docker pulls without a login where everybody may, and nothing else', async () => {
  await docker.command('pull', at('public/app:v1'));
  const denied = /denied|unauthorized/;
  const ours = await refusal('pull', at('ours/app:v1'));
  expect(ours).toMatch(denied);
  expect((await refusal('pull', at('ours/missing:v1'))).replaceAll('missing', 'app')).toBe(ours);
  expect(await refusal('push', at('public/app:v1'))).toMatch(denied);
});

test('docker pulls what its account may, until it logs out', async () => {
  await logIn('reader');
  await docker.command('pull', at('ours/app:v1'));
  await docker.command('pull', at('public/app:v1'));
  expect(await refusal('push', at('ours/app:v1'))).toContain('you may not push to ours/app with this token');
  await docker.command('logout', host);
  await docker.command('rmi', at('ours/app:v1'));
  expect(await refusal('pull', at('ours/app:v1'))).toContain("repository does not exist or may require 'docker login'");
});

test('docker mounts what the account may pull, and uploads what it may not', async () => {
  const push = async (account: string, repo: string) => {
    await logIn(account);
    await docker.command('tag', at('elsewhere:v1'), at(`${repo}:v1`));
    let said = '';
    const lines = await linesDuring(server, async () => {
      said = await docker.command('push', at(`${repo}:v1`));
    });
    return { said, mounts: new Set(lines.filter(({ route }) => route === 'blob-mount').map(({ status }) => status)) };
  };
  await logIn('outsider');
  await docker.command('pull', at('elsewhere:v1'));
  const uploaded = await push('pusher', 'ours/uploaded');
  expect(uploaded.said).not.toContain('Mounted from');
  expect(uploaded.mounts).toEqual(new Set([202]));
  const mounted = await push('admin', 'ours/mounted');
  expect(mounted.said).toContain('Mounted from');
  expect(mounted.mounts).toEqual(new Set([201]));
});
