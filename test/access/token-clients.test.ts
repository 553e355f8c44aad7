// Real clients log in, push, mount, pull and are refused, through the registry's own tokens.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { marinaCommand } from '../cli/marina.ts';
import { startDocker } from '../clients/dockerd.ts';
import { readLayout, runnableImage, writeLayout } from '../clients/layout.ts';
import { attempt, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { secret } from '../support/secrets.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { linesDuring, ORDERED_LINES } from './log-lines.ts';

setDefaultTimeout(300_000);

const PASSWORD = secret('correct horse battery staple');
// A short name: podman refuses a path of more than 50 characters for its runroot.
const folder = temporaryFolder('tokens');
const layout = join(folder, 'image');
const image = await runnableImage();
const accounts = join(folder, 'htpasswd');
let server: Server;

beforeAll(async () => {
  await run([...marinaCommand, 'user', 'add', 'deployer', '--password-stdin'], {
    env: { HTPASSWD_FILE: accounts },
    input: PASSWORD,
  });
  server = await startServer({ HTPASSWD_FILE: accounts, ...ORDERED_LINES });
  writeLayout(layout, image, image.blobs, 'v1');
  await tools('crane', 'skopeo', 'oras', 'regctl', 'podman', 'runc', 'buildah', 'docker', 'dockerd');
}, TOOLS_WITHIN_MS);
afterAll(cleanUp);

/** Checks that all requests used tokens that the account got with this kind of proof. */
async function expectTokens(grant: string, work: () => Promise<unknown>): Promise<void> {
  const tokens = (await linesDuring(server, work)).filter((line) => line.grant !== undefined);
  expect(tokens.length).toBeGreaterThan(0);
  for (const each of tokens) expect(each).toMatchObject({ grant, actor: 'user:deployer' });
}

async function expectRefused(command: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<void> {
  const { code, stderr } = await attempt(command, { env });
  expect(code).not.toBe(0);
  expect(stderr.toLowerCase()).toMatch(/unauthorized|401|invalid username|incorrect|authentication required/);
}

function expectPulled(pulled: string): void {
  expect(readLayout(join(folder, pulled))).toEqual(readLayout(layout));
}

test('crane', async () => {
  const [crane] = await tools('crane');
  const env = { DOCKER_CONFIG: join(folder, 'crane') };
  const command = (...rest: string[]): Promise<string> => run([crane, ...rest], { env });
  const at = (reference: string): string => `${server.host}/crane/${reference}`;
  await expectRefused([crane, 'push', layout, at('image:v1')], env);
  // It stores the password unchecked. Only the push shows whether it is right.
  await command('auth', 'login', server.host, '--username=deployer', '--password=wrong password');
  await expectRefused([crane, 'push', layout, at('image:v1')], env);
  await command('auth', 'login', server.host, '--username=deployer', `--password=${PASSWORD}`);
  await expectTokens('credentials', async () => {
    await command('push', layout, at('image:v1'));
    await command('copy', at('image:v1'), at('copied:v1'));
    await command('pull', '--format=oci', at('copied:v1'), join(folder, 'crane-pulled'));
    expect(await command('catalog', server.host)).toContain('crane/copied');
    await command('delete', at('copied:v1'));
  });
  expectPulled('crane-pulled');
});

test('skopeo', async () => {
  const [path] = await tools('skopeo');
  const skopeo = [path, '--insecure-policy'];
  const authFile = `--authfile=${join(folder, 'skopeo.json')}`;
  const at = (reference: string): string => `docker://${server.host}/skopeo/${reference}`;
  const copy = ['copy', '--src-tls-verify=false', '--dest-tls-verify=false', '--preserve-digests', authFile];
  const logIn = ['login', '--tls-verify=false', authFile, '--username=deployer'];
  await expectRefused([...skopeo, ...copy, `oci:${layout}:v1`, at('image:v1')]);
  await expectRefused([...skopeo, ...logIn, '--password=wrong password', server.host]);
  await expectTokens('credentials', async () => {
    await run([...skopeo, ...logIn, `--password=${PASSWORD}`, server.host]);
    await run([...skopeo, ...copy, `oci:${layout}:v1`, at('image:v1')]);
    await run([...skopeo, ...copy, at('image:v1'), at('mounted:v1')]);
    await run([...skopeo, ...copy, at('mounted:v1'), `oci:${join(folder, 'skopeo-pulled')}:v1`]);
    await run([...skopeo, 'delete', '--tls-verify=false', authFile, at('mounted:v1')]);
  });
  expectPulled('skopeo-pulled');
});

test('oras', async () => {
  const [oras] = await tools('oras');
  const registryConfig = `--registry-config=${join(folder, 'oras.json')}`;
  const options = ['--plain-http', registryConfig];
  const at = (reference: string): string => `${server.host}/oras/${reference}`;
  const push = [oras, 'push', ...options, at('notes:v1'), 'notes.txt'];
  writeFileSync(join(folder, 'notes.txt'), 'release notes\n');
  expect((await attempt(push, { cwd: folder })).code).not.toBe(0);
  await expectRefused([oras, 'login', ...options, '--username=deployer', '--password=wrong password', server.host]);
  await run([oras, 'login', ...options, '--username=deployer', `--password=${PASSWORD}`, server.host]);
  await expectTokens('credentials', async () => {
    await run(push, { cwd: folder });
    const copied = ['cp', '--from-plain-http', '--to-plain-http'];
    const configs = [`--from-${registryConfig.slice(2)}`, `--to-${registryConfig.slice(2)}`];
    await run([oras, ...copied, ...configs, at('notes:v1'), at('copied:v1')]);
    await run([oras, 'pull', ...options, `--output=${join(folder, 'oras-pulled')}`, at('copied:v1')]);
    expect(await run([oras, 'repo', 'tags', ...options, at('copied')])).toBe('v1\n');
    await run([oras, 'manifest', 'delete', '--force', ...options, at('copied:v1')]);
  });
  expect(readFileSync(join(folder, 'oras-pulled', 'notes.txt'), 'utf8')).toBe('release notes\n');
});

test('regctl', async () => {
  const [path] = await tools('regctl');
  const regctl = [path, `--host=reg=${server.host},tls=disabled`];
  const env = { REGCTL_CONFIG: join(folder, 'regctl.json') };
  const command = (...rest: string[]): Promise<string> => run([...regctl, ...rest], { env });
  const at = (reference: string): string => `${server.host}/regctl/${reference}`;
  await expectRefused([...regctl, 'image', 'copy', `ocidir://${layout}:v1`, at('image:v1')], env);
  await command('registry', 'set', '--tls=disabled', server.host);
  const logIn = [...regctl, 'registry', 'login', '--user=deployer'];
  await expectRefused([...logIn, '--pass=wrong password', server.host], env);
  await expectTokens('credentials', async () => {
    await run([...logIn, `--pass=${PASSWORD}`, server.host], { env });
    await run([path, 'image', 'copy', `ocidir://${layout}:v1`, at('image:v1')], { env });
    await run([path, 'image', 'copy', at('image:v1'), at('mounted:v1')], { env });
    await run([path, 'image', 'copy', at('mounted:v1'), `ocidir://${join(folder, 'regctl-pulled')}:v1`], { env });
    await run([path, 'tag', 'delete', at('mounted:v1')], { env });
  });
  expectPulled('regctl-pulled');
});

test('podman and buildah', async () => {
  const [podmanPath, buildahPath] = await tools('podman', 'buildah', 'runc');
  const storage = ['--storage-driver=vfs', `--root=${join(folder, 'root')}`, `--runroot=${join(folder, 'run')}`];
  const podman = [podmanPath, ...storage, '--runtime=runc', '--cgroup-manager=cgroupfs', '--events-backend=file'];
  const buildah = [buildahPath, ...storage];
  const options = ['--tls-verify=false', `--authfile=${join(folder, 'podman.json')}`];
  const at = (reference: string): string => `${server.host}/podman/${reference}`;
  writeFileSync(join(folder, 'podman.json'), '{}');
  writeFileSync(join(folder, 'Containerfile'), 'FROM scratch\nCOPY notes.txt /notes.txt\n');
  writeFileSync(join(folder, 'notes.txt'), 'release notes\n');
  await run([...podman, 'build', '--isolation=chroot', `--tag=${at('image:v1')}`, folder]);
  await expectRefused([...podman, 'push', ...options, at('image:v1')]);
  await expectRefused([
    ...podman,
    'login',
    ...options,
    '--username=deployer',
    '--password=wrong password',
    server.host,
  ]);
  await expectTokens('credentials', async () => {
    await run([...podman, 'login', ...options, '--username=deployer', `--password=${PASSWORD}`, server.host]);
    await run([...podman, 'push', ...options, at('image:v1')]);
    await run([...podman, 'push', ...options, at('image:v1'), at('second:v1')]);
    await run([...podman, 'rmi', '--force', at('image:v1')]);
    await run([...buildah, 'pull', ...options, at('second:v1')]);
    await run([...podman, 'pull', ...options, at('image:v1')]);
  });
});

test('docker, which keeps a refresh token instead of the password', async () => {
  const docker = await startDocker();
  try {
    const host = `localhost:${server.port}`;
    const at = (reference: string): string => `${host}/docker/${reference}`;
    await Bun.write(join(folder, 'files.tar'), new Bun.Archive({ notes: 'release notes\n' }));
    const id = await docker.command('import', join(folder, 'files.tar'), at('image:v1'));
    const refused = await docker.command('push', at('image:v1')).catch(String);
    expect(refused).toMatch(/requested access to the resource is denied|unauthorized/);
    const wrong = await docker.command('login', '--username=deployer', '--password=wrong password', host).catch(String);
    expect(wrong).toContain('unauthorized');
    await expectTokens('credentials', () =>
      docker.command('login', '--username=deployer', `--password=${PASSWORD}`, host),
    );
    const kept = readFileSync(join(docker.env.DOCKER_CONFIG ?? '', 'config.json'), 'utf8');
    expect(kept).toContain('"identitytoken"');
    expect(kept).not.toContain(Buffer.from(`deployer:${PASSWORD}`).toString('base64'));
    await expectTokens('refresh_token', async () => {
      await docker.command('push', at('image:v1'));
      await docker.command('tag', at('image:v1'), at('mounted:v1'));
      await docker.command('push', at('mounted:v1'));
      await docker.command('rmi', '--force', id.trim());
      await docker.command('pull', at('mounted:v1'));
    });
    expect(await docker.command('image', 'inspect', '--format={{.Id}}', at('mounted:v1'))).toBe(id);
  } finally {
    await docker.stop();
  }
});
