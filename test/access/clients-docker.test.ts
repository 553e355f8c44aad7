// docker without a login, after a logout, and with a login that may not do everything.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { type Docker, startDocker } from '../clients/dockerd.ts';
import { runnableImage } from '../clients/layout.ts';
import { CA, makeCertificate } from '../support/certificates.ts';
import { TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { pushImage } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { linesDuring, ORDERED_LINES } from './log-lines.ts';
import { passwordOf, writeAccessFiles } from './world.ts';

setDefaultTimeout(300_000);

const NAME = 'registry.example';

let docker: Docker;
/** Registries over HTTPS: only the CA of one of them is in dockerd's folder of certificates. */
let trusted: string;
let untrusted: string;
let server: Server;
/** Names for which dockerd accepts plain HTTP. */
let host: string;

beforeAll(async () => {
  await tools('docker', 'dockerd');
  const STORAGE_PATH = temporaryFolder('docker-data');
  const open = await startServer({ STORAGE_PATH });
  for (const repo of ['free/app', 'ours/app', 'elsewhere'])
    await pushImage(open.url, repo, await runnableImage(), 'v1');
  await open.stop();
  server = await startServer({ ...writeAccessFiles().env, PUBLIC_HOSTS: '', STORAGE_PATH, ...ORDERED_LINES });
  host = `localhost:${server.port}`;
  const etc = temporaryFolder('docker-etc');
  await startOverTls(etc);
  docker = await startDocker({ etc });
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await docker.stop();
  await cleanUp();
});

/** An address of this machine that is not a loopback address, because dockerd checks no certificates for those. */
function ownAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const found = addresses.find(({ family, internal }) => family === 'IPv4' && !internal);
  if (found === undefined) throw new Error('this machine has no IPv4 address but loopback ones');
  return found.address;
}

async function startOverTls(etc: string): Promise<void> {
  const ca = await makeCertificate('CA of the tests', { extensions: CA });
  const own = await makeCertificate(NAME, { issuer: ca, extensions: [`subjectAltName=DNS:${NAME}`] });
  const certificate = { TLS_CERT_FILE: own.path, TLS_KEY_FILE: own.keyPath };
  const servers = await Promise.all(
    [1, 2].map(() => startServer({ ...writeAccessFiles().env, PUBLIC_HOSTS: '', ...certificate, HOST: '0.0.0.0' })),
  );
  [trusted, untrusted] = servers.map(({ port }) => `${NAME}:${port}`) as [string, string];
  writeFileSync(join(etc, 'hosts'), `127.0.0.1 localhost\n${ownAddress()} ${NAME}\n`);
  const certs = join(etc, 'docker', 'certs.d', trusted);
  mkdirSync(certs, { recursive: true });
  writeFileSync(join(certs, 'ca.crt'), ca.pem);
}

const at = (reference: string): string => `${host}/${reference}`;
const logIn = (account: string) =>
  docker.command('login', `--username=${account}`, `--password=${passwordOf(account)}`, host);
/** The error message of docker. */
const refusal = (...command: string[]): Promise<string> => docker.command(...command).then(() => 'not refused', String);

test('docker pulls only public images without a login', async () => {
  await docker.command('pull', at('free/app:v1'));
  const denied = /denied|unauthorized/;
  const ours = await refusal('pull', at('ours/app:v1'));
  expect(ours).toMatch(denied);
  expect((await refusal('pull', at('ours/missing:v1'))).replaceAll('missing', 'app')).toBe(ours);
  expect(await refusal('push', at('free/app:v1'))).toMatch(denied);
});

test('docker pulls what its account may, until it logs out', async () => {
  await logIn('reader');
  await docker.command('pull', at('ours/app:v1'));
  await docker.command('pull', at('free/app:v1'));
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

test('docker logs in, pushes and pulls over HTTPS with a CA in its folder of certificates, and not without it', async () => {
  const password = `--password=${passwordOf('pusher')}`;
  expect(await refusal('login', '--username=pusher', password, untrusted)).toContain('x509');
  await docker.command('login', '--username=pusher', password, trusted);
  const reference = `${trusted}/ours/app:v1`;
  await docker.command('pull', at('free/app:v1'));
  await docker.command('tag', at('free/app:v1'), reference);
  const id = await docker.command('image', 'inspect', '--format={{.Id}}', reference);
  await docker.command('push', reference);
  await docker.command('rmi', '--force', id.trim());
  await docker.command('pull', reference);
  expect(await docker.command('image', 'inspect', '--format={{.Id}}', reference)).toBe(id);
});
