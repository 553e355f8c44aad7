// Partial pulls: podman fetches only the missing files of a zstd:chunked layer, with one request for many ranges.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { attempt, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { digestOf } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';

const FILE_BYTES = 1_000_000;
const NAMES = ['f1', 'f2', 'f3', 'f4', 'f5', 'f6', 'f7', 'f8'] as const;

const folder = temporaryFolder('podman-partial');
let podman: string;
let server: Server;

beforeAll(async () => {
  [podman] = await tools('podman', 'buildah', 'runc');
  server = await startServer();
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  // The overlay driver keeps its folder mounted.
  for (const name of ['builder', 'puller']) await attempt(['umount', join(folder, name, 'root', 'overlay')]);
  await cleanUp();
});

/** A podman with separate storage. Only the overlay driver can assemble a layer from files of other layers. */
function podmanOf(name: string, options = ''): (...args: string[]) => Promise<string> {
  const place = join(folder, name);
  mkdirSync(place, { recursive: true });
  const configuration = join(place, 'storage.conf');
  writeFileSync(
    configuration,
    `[storage]\ndriver = "overlay"\ngraphroot = "${place}/root"\nrunroot = "${place}/run"\n[storage.options]\n${options}\n`,
  );
  const command = [podman, '--runtime=runc', '--cgroup-manager=cgroupfs', '--events-backend=file'];
  return (...args) =>
    run([...command, ...args], { env: { CONTAINERS_STORAGE_CONF: configuration }, timeoutMs: 120_000 });
}

/** A proxy in front of the server that counts the bytes that it sends. */
async function startCounter(): Promise<{ readonly host: string; readonly bytes: () => number; close(): void }> {
  let bytes = 0;
  const listener = createServer((client) => {
    const upstream = connect(server.port, '127.0.0.1');
    upstream.on('data', (chunk) => {
      bytes += chunk.length;
    });
    client.pipe(upstream).pipe(client);
    // A client that disconnects is not an error here: podman reports its own.
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return { host: `127.0.0.1:${address.port}`, bytes: () => bytes, close: () => void listener.close() };
}

test('a partial pull of a zstd:chunked image, half of whose files exist locally, transfers less than the whole image', async () => {
  const builder = podmanOf('builder');
  const puller = podmanOf('puller', 'pull_options = {enable_partial_images = "true", use_hard_links = "false"}');
  const files = new Map<string, Buffer>(NAMES.map((name) => [name, randomBytes(FILE_BYTES)]));
  const counter = await startCounter();
  const reference = (version: string): string => `${counter.host}/podman/partial:${version}`;

  const push = async (version: string): Promise<void> => {
    const context = join(folder, version);
    mkdirSync(context);
    for (const [name, bytes] of files) writeFileSync(join(context, name), bytes);
    writeFileSync(join(context, 'Containerfile'), 'FROM scratch\nCOPY f* /files/\n');
    await builder('build', '--isolation=chroot', '--format=oci', `--tag=${reference(version)}`, context);
    await builder('push', '--tls-verify=false', '--compression-format=zstd:chunked', reference(version));
  };
  await push('v1');
  for (const name of ['f2', 'f4', 'f6', 'f8']) files.set(name, randomBytes(FILE_BYTES));
  await push('v2');

  const pulled = async (version: string): Promise<number> => {
    const before = counter.bytes();
    await puller('pull', '--tls-verify=false', reference(version));
    return counter.bytes() - before;
  };
  const whole = await pulled('v1');
  expect(whole).toBeGreaterThan(NAMES.length * FILE_BYTES);
  const half = await pulled('v2');
  expect(half).toBeGreaterThan((NAMES.length / 2) * FILE_BYTES);
  expect(half).toBeLessThan(whole * 0.6);

  const mounted = (await puller('image', 'mount', reference('v2'))).trim();
  for (const [name, bytes] of files) expect(digestOf(readFileSync(join(mounted, 'files', name)))).toBe(digestOf(bytes));
  await puller('image', 'unmount', reference('v2'));
  counter.close();
}, 300_000);
