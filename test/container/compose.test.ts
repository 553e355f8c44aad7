// The unchanged compose.yaml on a separate Docker daemon, with images built on stand-ins for their bases: a push and a pull
// through the load balancer, more nodes, fewer nodes, an empty Redis, and a clean shutdown.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Docker, startDocker } from '../clients/dockerd.ts';
import { attempt, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { randomBlob } from '../support/oci.ts';
import { cleanUp, projectRoot, temporaryFolder } from '../support/server.ts';
import { type Network, openNetwork } from './network.ts';

const BUILD_WITHIN_MS = 900_000;
const UP_WITHIN_MS = 280_000;
const URL = 'http://localhost:5000';

const folder = temporaryFolder('compose');
let network: Network;
let docker: Docker;
let composeBinary: string;
/** The folder in which deploy/make-secrets.sh made the secrets. */
let environment: string;
/** The variables with which compose.yaml uses the stand-ins. */
const images: Record<string, string> = {};

async function compose(...args: readonly string[]): Promise<string> {
  return await composeWith([], args, UP_WITHIN_MS);
}

function composeWith(files: readonly string[], args: readonly string[], timeoutMs: number): Promise<string> {
  const named = [join(projectRoot, 'compose.yaml'), ...files].flatMap((file) => ['-f', file]);
  return run([composeBinary, '--env-file', environment, ...named, ...args], {
    env: { ...docker.env, ...images, NO_COLOR: '1' },
    timeoutMs,
  });
}

async function standIn(script: string): Promise<string> {
  const [binary] = await tools('docker');
  const path = join(projectRoot, 'scripts', 'container', script);
  return (await run([path, binary], { env: docker.env, timeoutMs: BUILD_WITHIN_MS })).trim();
}

beforeAll(async () => {
  [composeBinary] = await tools('docker-compose', 'docker', 'dockerd', 'ip', 'runc', 'curl');
  await run([join(projectRoot, 'deploy', 'make-secrets.sh'), folder]);
  environment = join(folder, '.env');
  const dataRoot = join(folder, 'data');
  // Building needs the npm registry, and so the machine's network; running needs networks that collide with no others.
  docker = await startDocker({ dataRoot });
  try {
    for (const line of (await standIn('stand-in-services.sh')).split('\n')) {
      const [name, image] = line.split('=');
      images[name ?? ''] = image ?? '';
    }
    images.BUN_IMAGE = await standIn('stand-in-base.sh');
    images.NPM_CONFIG_REGISTRY = (await run(['npm', 'config', 'get', 'registry'])).trim();
    const building = join(folder, 'building.yaml');
    const services = ['registry', 'worker'].map((name) => `  ${name}: { build: { network: host } }\n`);
    writeFileSync(building, `services:\n${services.join('')}`);
    await composeWith([building], ['build'], BUILD_WITHIN_MS);
  } finally {
    await docker.stop();
  }
  network = await openNetwork();
  docker = await startDocker({ dataRoot, network });
  await compose('up', '--detach', '--wait', 'balancer', 'worker');
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await compose('down', '--volumes', '--timeout', '0');
  await docker?.stop();
  await network?.close();
  await cleanUp();
});

function secret(name: string, below = folder): string {
  return readFileSync(join(below, 'secrets', name), 'utf8');
}

/** All generated passwords. */
function passwords(): string[] {
  const found = ['redis-password', 's3-credentials', 'store-root'].flatMap(
    (name) => secret(name).match(/[0-9a-f]{48}/g) ?? [],
  );
  expect(found).toHaveLength(3);
  return found;
}

/** Ids of the running containers of the service. */
async function running(service: string): Promise<string[]> {
  return (await compose('ps', '--quiet', '--status=running', service)).split('\n').filter((line) => line !== '');
}

async function statusOf(target: string): Promise<string> {
  const curl = ['curl', '-sS', '-m', '10', '-o', '/dev/null', '-w', '%{http_code}', `${URL}${target}`];
  const { stdout, stderr } = await attempt([...network.enter, ...curl]);
  return new TextDecoder().decode(stdout) + stderr;
}

/** An image with a unique layer. */
async function importImage(reference: string): Promise<string> {
  const archive = join(folder, 'layer.tar');
  await Bun.write(archive, new Bun.Archive({ layer: randomBlob(3_000_000).bytes }));
  return (await docker.command('import', archive, reference)).trim();
}

/** Docker pushes the image, removes it and pulls it again. It must have the same id, which is the digest of its configuration. */
async function expectPushAndPull(reference: string): Promise<void> {
  const id = await importImage(reference);
  await docker.command('push', reference);
  await docker.command('rmi', '--force', id);
  await docker.command('pull', reference);
  expect((await docker.command('image', 'inspect', '--format={{.Id}}', reference)).trim()).toBe(id);
}

/** Each node must answer some of the requests through the balancer. */
async function expectShared(nodes: number): Promise<void> {
  await eventually(async () => {
    const names = await running('registry');
    expect(names).toHaveLength(nodes);
    const before = Date.now();
    for (let each = 0; each < 5 * nodes; each++) expect(await statusOf('/v2/')).toBe('200');
    const since = new Date(before - 1_000).toISOString();
    for (const name of names) {
      const { stdout } = await attempt([(await tools('docker'))[0], 'logs', '--since', since, name], {
        env: docker.env,
      });
      expect(new TextDecoder().decode(stdout)).toContain('"route":"ping"');
    }
  });
}

test('the images are pinned by tag and digest, and their variables have these as defaults', () => {
  const file = readFileSync(join(projectRoot, 'compose.yaml'), 'utf8');
  const defaults = [...file.matchAll(/\$\{([A-Z]+)_IMAGE:-([^}]+)\}/g)].map(([, name, image]) => ({ name, image }));
  expect(defaults.map(({ name }) => name).sort()).toEqual(['BUN', 'HAPROXY', 'MINIO', 'REDIS']);
  for (const { name, image } of defaults) {
    expect(image).toMatch(/^docker\.io\/.+:(?!latest)[\w.-]*\d/);
    if (name !== 'BUN') expect(image).toMatch(/@sha256:[0-9a-f]{64}$/);
  }
  expect(file.match(/^ {4}image:/gm)).toHaveLength(4);
});

test('without secrets nothing starts, and one line says how to make them', async () => {
  const files = ['--env-file', '/dev/null', '-f', join(projectRoot, 'compose.yaml')];
  const { code, stderr } = await attempt([composeBinary, ...files, 'config'], { env: docker.env });
  expect(code).not.toBe(0);
  expect(stderr).toContain('MARINA_SECRETS');
  expect(stderr).toContain('run deploy/make-secrets.sh first');
});

test('secrets are random, readable by their owner only, and never overwritten', async () => {
  const script = join(projectRoot, 'deploy', 'make-secrets.sh');
  const other = join(folder, 'other');
  await run([script, other]);
  const names = readdirSync(join(folder, 'secrets'));
  expect(names.sort()).toEqual(['redis-password', 'redis.conf', 's3-credentials', 'store-root']);
  for (const name of names) expect(secret(name, other)).not.toBe(secret(name));
  for (const each of [folder, other]) {
    expect(statSync(join(each, 'secrets')).mode & 0o777).toBe(0o700);
    expect(statSync(join(each, '.env')).mode & 0o777).toBe(0o600);
  }
  const before = names.map((name) => secret(name));
  const again = await attempt([script, folder]);
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('exists already')]);
  expect(names.map((name) => secret(name))).toEqual(before);
});

test('no password is in an argument, an environment variable or the settings of a container', async () => {
  const ids = (await compose('ps', '--all', '--quiet')).split('\n').filter((line) => line !== '');
  expect(ids.length).toBeGreaterThanOrEqual(7);
  const described = await docker.command('inspect', ...ids);
  const processes = await Promise.all(['redis', 'store', 'registry', 'worker'].map((name) => compose('top', name)));
  for (const password of passwords()) {
    expect(described).not.toContain(password);
    expect(processes.join('\n')).not.toContain(password);
  }
});

test('Redis answers only clients that know the password', async () => {
  const asked = compose('exec', '--no-TTY', 'redis', 'redis-cli', 'info', 'server');
  expect(await asked).toContain('NOAUTH');
});

test("the nodes' key reaches their bucket and nothing else of the store", async () => {
  const [, key = ''] = /aws_access_key_id = (\S+)/.exec(secret('s3-credentials')) ?? [];
  const [, hidden = ''] = /aws_secret_access_key = (\S+)/.exec(secret('s3-credentials')) ?? [];
  const [, root = ''] = /MINIO_ROOT_PASSWORD=(\S+)/.exec(secret('store-root')) ?? [];
  const client = (user: string, password: string, ...args: readonly string[]) => {
    const host = `MC_HOST_at=http://${user}:${password}@localhost:9000`;
    const command = ['exec', '--no-TTY', '--env', host, '--env', 'MC_CONFIG_DIR=/tmp/mc', 'store', 'mc', ...args];
    return compose(...command).then(
      (output) => ({ ok: true, output }),
      (error: unknown) => ({ ok: false, output: String(error) }),
    );
  };
  expect(await client('marina-root', root, 'mb', 'at/others')).toMatchObject({ ok: true });
  const listed = await client(key, hidden, 'ls', 'at/marina/');
  expect(listed.output).toContain('format');
  expect((await client(key, hidden, 'ls', 'at')).output).not.toContain('others');
  for (const command of [
    ['ls', 'at/others/'],
    ['mb', 'at/more'],
    ['admin', 'user', 'list', 'at'],
  ]) {
    const refused = await client(key, hidden, ...command);
    expect([command, refused.ok]).toEqual([command, false]);
    expect(refused.output).toMatch(/[Aa]ccess ?[Dd]enied/);
  }
});

test('the service that makes the bucket and its key can run again', async () => {
  await compose('run', '--rm', '--no-deps', 'bucket');
});

test('docker pushes and pulls through the balancer, over two nodes', async () => {
  await expectPushAndPull('localhost:5000/team/first:v1');
  await expectShared(2);
});

test('four nodes share the load, and all serve what two of them had acknowledged', async () => {
  await compose('up', '--detach', '--no-recreate', '--wait', '--scale', 'registry=4', 'registry', 'balancer');
  await expectShared(4);
  for (let each = 0; each < 12; each++) expect(await statusOf('/v2/team/first/manifests/v1')).toBe('200');
});

test('each node can write its copies of blobs to its own folder, although all else is read-only', async () => {
  for (const index of ['1', '4']) {
    const listed = await compose('exec', '--no-TTY', `--index=${index}`, 'registry', 'ls', '/data/blob-cache');
    expect(listed.split('\n').filter((name) => name !== '')).toEqual(['blobs', 'lock', 'tmp']);
  }
  expect(await compose('logs', 'registry')).not.toContain('blobs are not cached');
});

test('killing a node fails no request of another', async () => {
  const [victim = ''] = await running('registry');
  const seen: string[] = [];
  let killed = false;
  const asking = (async () => {
    while (!killed || seen.length < 60) seen.push(await statusOf('/v2/team/first/manifests/v1'));
  })();
  await docker.command('kill', '--signal=KILL', victim);
  killed = true;
  await asking;
  expect([...new Set(seen)]).toEqual(['200']);
  await expectPushAndPull('localhost:5000/team/second:v1');
});

test('an empty Redis is rebuilt from the store', async () => {
  await compose('restart', '--timeout', '0', 'redis');
  await eventually(async () => {
    expect(await statusOf('/v2/team/first/manifests/v1')).toBe('200');
    expect(await statusOf('/v2/team/second/tags/list')).toBe('200');
  });
  await eventually(() => expectPushAndPull('localhost:5000/team/third:v1'));
});

test('all services stop cleanly', async () => {
  const ours = [...(await running('registry')), ...(await running('worker')), ...(await running('balancer'))];
  await compose('stop');
  const codes = await docker.command('inspect', '--format={{.State.ExitCode}}', ...ours);
  expect([...new Set(codes.trim().split('\n'))]).toEqual(['0']);
});
