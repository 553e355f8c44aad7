import { afterAll, beforeAll, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { marina } from '../cli/marina.ts';
import { run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { digestOf, expectStatus } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { type Docker, startDocker } from './dockerd.ts';

const manifestType = 'application/vnd.docker.distribution.manifest.v2+json';
const folder = temporaryFolder('docker-files');
const files = { small: randomBytes(1_000), large: randomBytes(9 * 1024 * 1024) };
let docker: Docker | undefined;
let server: Server;

beforeAll(async () => {
  server = await startServer();
  docker = await startDocker();
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await docker?.stop();
  await cleanUp();
});

// Docker uses plain HTTP for `localhost` by default.
function at(reference: string): string {
  return `localhost:${server.port}/docker/${reference}`;
}

function command(...rest: string[]): Promise<string> {
  if (docker === undefined) throw new Error('dockerd is not running');
  return docker.command(...rest);
}

function inspect(reference: string, format: string): Promise<string> {
  return command('image', 'inspect', `--format=${format}`, reference);
}

/** Pushes, and checks that the registry serves exactly what Docker reports. @returns the digest */
async function push(name: string, tag: string): Promise<string> {
  await command('push', at(`${name}:${tag}`));
  const served = await expectStatus(200, `${server.url}/v2/docker/${name}/manifests/${tag}`, {
    headers: { accept: manifestType },
  });
  expect(served.headers.get('content-type')).toBe(manifestType);
  const digest = digestOf(served.bytes);
  expect(served.headers.get('docker-content-digest')).toBe(digest);
  expect(await inspect(at(`${name}:${tag}`), '{{json .RepoDigests}}')).toContain(at(`${name}@${digest}`));
  return digest;
}

/** Removes the image from the daemon, pulls it again and compares its files and its id. */
async function expectPulledAgain(reference: string, id: string): Promise<void> {
  await command('rmi', '--force', id.trim());
  await command('pull', reference);
  expect(await inspect(reference, '{{.Id}}')).toBe(id);
  // A container that is never started is enough to read the files of the image.
  const container = (await command('create', reference, 'nothing')).trim();
  const target = join(folder, container);
  mkdirSync(target);
  for (const [name, bytes] of Object.entries(files)) {
    await command('cp', `${container}:/${name}`, join(target, name));
    expect(digestOf(readFileSync(join(target, name)))).toBe(digestOf(bytes));
  }
  await command('rm', container);
}

test('an imported image is pushed, removed locally, and pulled unchanged by tag and by digest', async () => {
  await Bun.write(join(folder, 'files.tar'), new Bun.Archive(files));
  const id = await command('import', join(folder, 'files.tar'), at('imported:v1'));
  const digest = await push('imported', 'v1');
  await expectPulledAgain(at('imported:v1'), id);
  await expectPulledAgain(at(`imported@${digest}`), id);
});

test('a built image of several layers is pushed, pulled, and mounted into a second repository', async () => {
  const steps = ['FROM scratch', ...Object.keys(files).map((name) => `COPY ${name} /${name}`)];
  writeFileSync(join(folder, 'Dockerfile'), steps.join('\n'));
  await command('build', `--tag=${at('built:v1')}`, folder);
  const id = await inspect(at('built:v1'), '{{.Id}}');
  const digest = await push('built', 'v1');
  await command('tag', at('built:v1'), at('mounted:v1'));
  const output = await command('push', at('mounted:v1'));
  expect(output).toContain('Mounted from docker/built');
  expect(output).toContain(digest);
  await expectPulledAgain(at('mounted:v1'), id);
});

test('a pull of a deleted manifest reports manifest unknown', async () => {
  await command('import', join(folder, 'files.tar'), at('deleted:v1'));
  const digest = await push('deleted', 'v1');
  await expectStatus(202, `${server.url}/v2/docker/deleted/manifests/${digest}`, { method: 'DELETE' });
  await expect(command('pull', at('deleted:v1'))).rejects.toThrow('manifest unknown');
});

test('docker loads what was exported, and what it saved is loaded once skopeo has converted it', async () => {
  await command('import', join(folder, 'files.tar'), at('archived:v1'));
  await push('archived', 'v1');
  const id = await inspect(at('archived:v1'), '{{.Id}}');
  const exported = join(folder, 'exported.tar');
  const { code, stderr } = await marina(server.dataPath, 'export', 'docker/archived:v1', '-o', exported);
  expect([code, stderr]).toEqual([0, '']);
  await command('rmi', '--force', id.trim());
  expect(await command('load', `--input=${exported}`)).toContain('docker/archived:v1');
  expect(await inspect('docker/archived:v1', '{{.Id}}')).toBe(id);

  // This version saves its own format only, which the refusal says how to convert.
  const saved = join(folder, 'saved.tar');
  await command('save', `--output=${saved}`, 'docker/archived:v1');
  const refused = await marina(server.dataPath, 'load', saved, 'docker/loaded');
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('skopeo copy docker-archive:')]);
  const [skopeo] = await tools('skopeo');
  const converted = join(folder, 'converted.tar');
  await run([skopeo, '--insecure-policy', 'copy', `docker-archive:${saved}`, `oci-archive:${converted}:v1`]);
  const loaded = await marina(server.dataPath, 'load', converted, 'docker/loaded');
  expect([loaded.code, loaded.stderr]).toEqual([0, '']);
  const layers = await inspect('docker/archived:v1', '{{json .RootFS.Layers}}');
  await command('pull', at('loaded:v1'));
  expect(await inspect(at('loaded:v1'), '{{json .RootFS.Layers}}')).toBe(layers);
});
