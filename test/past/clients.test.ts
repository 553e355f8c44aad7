// Real clients pull an image from the past: crane, podman and docker, without accounts and with them.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { passwordOf, writeAccessFiles } from '../access/world.ts';
import { type Docker, startDocker } from '../clients/dockerd.ts';
import { readLayout, runnableImage, writeLayout } from '../clients/layout.ts';
import { attempt, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { pushImage } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { compactNow, nextSecond } from './moments.ts';

setDefaultTimeout(300_000);

// A short name: podman allows 50 characters for the folder below.
const folder = temporaryFolder('past');
const image = await runnableImage();
const later = await runnableImage('arm64');
let crane: string;
let podman: string[];
let docker: Docker | undefined;
let server: Server;
let moment: string;

beforeAll(async () => {
  const [cranePath, podmanPath] = await tools('crane', 'podman', 'runc');
  crane = cranePath;
  const storage = ['--storage-driver=vfs', `--root=${join(folder, 'root')}`, `--runroot=${join(folder, 'run')}`];
  podman = [podmanPath, ...storage, '--runtime=runc', '--cgroup-manager=cgroupfs', '--events-backend=file'];
  docker = await startDocker();
  server = await startServer();
  await pushImage(server.url, 'team/app', image, 'latest');
  moment = compactNow();
  await nextSecond();
  await pushImage(server.url, 'team/app', later, 'latest');
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await docker?.stop();
  await cleanUp();
});

test('crane pulls, lists and copies from the past', async () => {
  const past = `${server.host}/at/${moment}/team/app`;
  expect(await run([crane, '--insecure', 'digest', `${past}:latest`])).toBe(`${image.descriptor.digest}\n`);
  expect(await run([crane, '--insecure', 'digest', `${server.host}/team/app:latest`])).toBe(
    `${later.descriptor.digest}\n`,
  );
  await run([crane, '--insecure', 'validate', '--remote', `${past}:latest`]);
  await run([crane, '--insecure', 'pull', '--format=oci', `${past}:latest`, join(folder, 'pulled')]);
  writeLayout(join(folder, 'expected'), image, image.blobs, 'latest');
  expect(readLayout(join(folder, 'pulled'))).toEqual(readLayout(join(folder, 'expected')));
  expect(await run([crane, '--insecure', 'ls', past])).toBe('latest\n');
  // Back into the present.
  await run([crane, '--insecure', 'copy', `${past}:latest`, `${server.host}/team/app:restored`]);
  expect(await run([crane, '--insecure', 'digest', `${server.host}/team/app:restored`])).toBe(
    `${image.descriptor.digest}\n`,
  );
  const refused = await attempt([crane, '--insecure', 'copy', `${server.host}/team/app:latest`, `${past}:latest`]);
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('is in the past, which cannot be changed');
});

test('podman pulls from the past', async () => {
  const reference = `${server.host}/at/${moment}/team/app:latest`;
  await run([...podman, 'pull', '--tls-verify=false', reference]);
  const digest = await run([...podman, 'image', 'inspect', '--format={{.Digest}}', reference]);
  expect(digest.trim()).toBe(image.descriptor.digest);
});

test('docker pulls from the past', async () => {
  if (docker === undefined) return expect.unreachable();
  const reference = `localhost:${server.port}/at/${moment}/team/app:latest`;
  await docker.command('pull', reference);
  const digests = await docker.command('image', 'inspect', '--format={{json .RepoDigests}}', reference);
  expect(digests).toContain(image.descriptor.digest);
});

test('with accounts, clients that ask for a token for the name they pull from get it', async () => {
  const { env } = writeAccessFiles();
  // Clients get their tokens from the host that they use.
  const guarded = await startServer({ ...env, PUBLIC_HOSTS: '' });
  const configs = join(folder, 'config');
  const login = (account: string) => {
    const auth = Buffer.from(`${account}:${passwordOf(account)}`).toString('base64');
    const file = join(configs, account);
    mkdirSync(file, { recursive: true });
    writeFileSync(join(file, 'config.json'), JSON.stringify({ auths: { [guarded.host]: { auth } } }));
    return { env: { DOCKER_CONFIG: file } };
  };
  const name = `${guarded.host}/ours/app:v1`;
  await run([crane, '--insecure', 'copy', `${server.host}/at/${moment}/team/app:latest`, name], login('admin'));
  const then = compactNow();
  const past = `${guarded.host}/at/${then}/ours/app:v1`;
  expect(await run([crane, '--insecure', 'digest', past], login('reader'))).toBe(`${image.descriptor.digest}\n`);
  await run([crane, '--insecure', 'validate', '--remote', past], login('reader'));
  expect((await attempt([crane, '--insecure', 'digest', past], login('outsider'))).code).not.toBe(0);
  expect((await attempt([crane, '--insecure', 'digest', past])).code).not.toBe(0);
});
