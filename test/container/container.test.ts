// The image, built by podman from the Dockerfile on a stand-in for its base, and run as in the README.
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import packageJson from '../../package.json' with { type: 'json' };
import { readLayout, runnableImage, writeLayout } from '../clients/layout.ts';
import { attempt, type CommandResult, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { cleanUp, projectRoot, temporaryFolder } from '../support/server.ts';
import { within } from '../support/within.ts';
import { type Network, openNetwork } from './network.ts';

const BUILD_WITHIN_MS = 600_000;
const HEALTHY_WITHIN_MS = 60_000;
const BUN_USER = 1000;
// Podman ends a container that an interrupted run leaves behind.
const CONTAINER_LIVES_FOR_SECONDS = 600;

// A short name, because podman accepts no --runroot of more than 50 characters.
const folder = temporaryFolder('image');
const url = 'http://localhost:5000';
let network: Network;
let podman: string[];
let skopeo: string[];

beforeAll(async () => {
  const [podmanPath, skopeoPath] = await tools('podman', 'skopeo', 'runc');
  network = await openNetwork();
  skopeo = [...network.enter, skopeoPath, '--insecure-policy', '--command-timeout=60s'];
  const podmanInFolder = [
    podmanPath,
    ...['--storage-driver=vfs', `--root=${join(folder, 'root')}`, `--runroot=${join(folder, 'run')}`],
    ...[`--tmpdir=${join(folder, 'libpod')}`, `--network-config-dir=${join(folder, 'networks')}`],
    // Without systemd, as in a container, only cgroupfs works. runc is the installed runtime.
    ...['--runtime=runc', '--cgroup-manager=cgroupfs', '--events-backend=file'],
  ];
  podman = [...network.enter, ...podmanInFolder];
  const standIn = join(projectRoot, 'scripts/container/stand-in-base.sh');
  const base = (await run([standIn, ...podmanInFolder])).trim();
  // In the machine's network, for the npm registry that this machine's npm uses.
  const registry = (await run(['npm', 'config', 'get', 'registry'])).trim();
  await run(
    [
      ...[...podmanInFolder, 'build', '--format=docker', '--tag=marina'],
      ...[`--build-arg=BASE=${base}`, `--build-arg=NPM_CONFIG_REGISTRY=${registry}`],
      // chroot needs the fewest privileges; vfs copies the whole image for each layer.
      ...['--isolation=chroot', '--layers=false', '.'],
    ],
    { timeoutMs: BUILD_WITHIN_MS },
  );
}, TOOLS_WITHIN_MS);

async function removeContainers(): Promise<void> {
  await run([...podman, 'rm', '--all', '--force', '--volumes', '--time=0']);
}
afterEach(removeContainers);
afterAll(async () => {
  await network?.close();
  await cleanUp();
});

/** `podman run` as in the README, in a folder of the test. */
function runContainer(name: string, ...options: string[]): Promise<CommandResult> {
  // The default limits of a container are higher than those of this process.
  const limits = ['--ulimit=nofile=1024:1024', '--ulimit=nproc=1024:1024', `--timeout=${CONTAINER_LIVES_FOR_SECONDS}`];
  const command = [...podman, 'run', '-d', `--name=${name}`, '-p', '5000:5000', ...limits, ...options, 'marina'];
  return attempt(command, { cwd: folder });
}

async function startContainer(name: string, ...options: string[]): Promise<void> {
  const started = await runContainer(name, ...options);
  expect(started).toMatchObject({ code: 0 });
  await untilHealthy(name);
}

/** Podman runs periodic health checks with systemd; without it, they must be run by hand. */
async function untilHealthy(name: string): Promise<void> {
  const deadline = Date.now() + HEALTHY_WITHIN_MS;
  for (;;) {
    const { code, stderr } = await attempt([...podman, 'healthcheck', 'run', name]);
    if (code === 0) break;
    if (Date.now() > deadline) throw new Error(`${name} does not become healthy: ${stderr}\n${await logs(name)}`);
    await Bun.sleep(100);
  }
  expect(await inspect(name, '{{.State.Health.Status}}')).toBe('healthy');
}

/** Sends SIGTERM. @returns how the container ended */
async function stopContainer(name: string): Promise<{ readonly code: number; readonly tookMs: number }> {
  const started = performance.now();
  await run([...podman, 'stop', '--time=30', name]);
  const tookMs = performance.now() - started;
  const code = Number(await inspect(name, '{{.State.ExitCode}}'));
  await run([...podman, 'rm', name]);
  return { code, tookMs };
}

async function inspect(name: string, format: string): Promise<string> {
  return (await run([...podman, 'inspect', `--format=${format}`, name])).trim();
}

async function logs(name: string): Promise<string> {
  const { stdout, stderr } = await attempt([...podman, 'logs', name]);
  return new TextDecoder().decode(stdout) + stderr;
}

function copy(from: string, to: string): Promise<string> {
  const flags = ['--src-tls-verify=false', '--dest-tls-verify=false', '--preserve-digests'];
  return run([...skopeo, 'copy', ...flags, from, to]);
}

function layout(name: string): string {
  return `oci:${join(folder, name)}:v1`;
}

test('the image is as the README describes, with the Bun version of the tests', async () => {
  const config = JSON.parse(await inspect('marina', '{{json .Config}}'));
  expect(config).toMatchObject({
    User: `${BUN_USER}:${BUN_USER}`,
    ExposedPorts: { '5000/tcp': {} },
    Volumes: { '/data': {} },
    Entrypoint: ['/bin/sh', '-c', expect.stringContaining('exec env UV_THREADPOOL_SIZE='), 'marina'],
    Cmd: ['src/main.ts'],
  });
  const health = await inspect('marina', '{{json .HealthCheck}}');
  expect(JSON.parse(health)).toMatchObject({ Test: ['CMD', 'bun', '/app/scripts/container/health.ts'] });
  const dockerfile = await Bun.file(join(projectRoot, 'Dockerfile')).text();
  expect(dockerfile).toContain(`oven/bun:${packageJson.dependencies.bun}-`);
});

test('development dependencies are not in the image', async () => {
  const root = (await run([...podman, 'image', 'mount', 'marina'])).trim();
  const app = join(root, 'app');
  expect(readdirSync(app).sort()).toEqual([
    'bunfig.toml',
    'node_modules',
    'package.json',
    'scripts',
    'src',
    'tsconfig.json',
    'workers',
  ]);
  expect(readdirSync(app, { recursive: true })).not.toContainEqual(expect.stringMatching(/^src\/.*\.test\.ts$/));
  const modules = readdirSync(join(app, 'node_modules'));
  const folderOf = (name: string): string => name.split('/')[0] ?? name;
  const needed = Object.keys(packageJson.dependencies)
    .filter((name) => name !== 'bun')
    .map(folderOf);
  expect(modules).toEqual(expect.arrayContaining(needed));
  for (const name of ['.bin', 'bun', '@oven', ...Object.keys(packageJson.devDependencies)]) {
    expect(modules).not.toContain(folderOf(name));
  }
  await run([...podman, 'image', 'unmount', 'marina']);
});

test('a pushed image is pulled unchanged after SIGTERM and a restart', async () => {
  const image = await runnableImage();
  writeLayout(join(folder, 'source'), image, image.blobs, 'v1');
  mkdirSync(join(folder, 'registry-data'));
  await startContainer('first', '-v', './registry-data:/data:Z,U');
  const running = `/proc/${await inspect('first', '{{.State.Pid}}')}`;
  expect(statSync(running).uid).toBe(BUN_USER);
  expect(readFileSync(`${running}/cmdline`, 'utf8').split('\0')).toEqual(['bun', 'src/main.ts', '']);
  await copy(layout('source'), 'docker://localhost:5000/some/image:v1');
  await copy('docker://localhost:5000/some/image:v1', layout('pulled'));
  expect(readLayout(join(folder, 'pulled'))).toEqual(readLayout(join(folder, 'source')));
  const stopped = await stopContainer('first');
  expect(stopped.code).toBe(0);
  // It would be killed after thirty seconds.
  expect(stopped.tookMs).toBeLessThan(20_000);
  expect(statSync(join(folder, 'registry-data')).uid).toBe(BUN_USER);

  await startContainer('second', '-v', './registry-data:/data:Z,U');
  await copy('docker://localhost:5000/some/image:v1', layout('pulled-again'));
  expect(readLayout(join(folder, 'pulled-again'))).toEqual(readLayout(join(folder, 'source')));
  expect((await stopContainer('second')).code).toBe(0);
});

test('an upload in flight at SIGTERM is completed, with a new named volume and the privileges of compose.embedded.yaml', async () => {
  const hardened = ['--read-only', '--cap-drop=all', '--security-opt=no-new-privileges'];
  await startContainer('drained', '-v', 'marina-data:/data', ...hardened);
  const script = join(import.meta.dir, 'slow-upload.ts');
  const upload = Bun.spawn([...network.enter, process.execPath, script, url, 'slow'], {
    stdin: 'ignore',
    stdout: 'pipe',
  });
  const reader = upload.stdout.pipeThrough(new TextDecoderStream()).getReader();
  expect((await within(60_000, reader.read()))?.value).toBe('sending\n');
  const stopping = stopContainer('drained');
  expect((await within(60_000, reader.read()))?.value).toMatch(/^201 sha256:/);
  expect(await upload.exited).toBe(0);
  expect((await stopping).code).toBe(0);
});

test('a data folder that is not writable stops the start with one clear line', async () => {
  mkdirSync(join(folder, 'of-root'));
  await runContainer('refused', '-v', './of-root:/data');
  expect(await run([...podman, 'wait', 'refused'])).toBe('1\n');
  expect(await logs('refused')).toMatch(/^marina: the data folder \/data cannot be used \(EACCES\)[^\n]*\n$/);
});
