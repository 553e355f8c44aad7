import { afterAll, beforeAll, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt, run, runBytes, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { digestOf } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';

const folder = temporaryFolder('oras');
const files = { 'notes.txt': Buffer.from('release notes\n'), 'model.bin': randomBytes(5 * 1024 * 1024) };
const referrersApi = '--distribution-spec=v1.1-referrers-api';
let oras: string;
let server: Server;

beforeAll(async () => {
  [oras] = await tools('oras');
  server = await startServer();
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
}, TOOLS_WITHIN_MS);
afterAll(cleanUp);

function at(reference: string): string {
  return `${server.host}/oras/${reference}`;
}

function command(verb: string, ...rest: string[]): Promise<string> {
  return run([oras, ...verb.split(' '), '--plain-http', ...rest], { cwd: folder });
}

/** Pushes the files as an artifact. @returns its reference */
async function release(reference: string): Promise<string> {
  await command('push', '--artifact-type=application/vnd.example.release', at(reference), ...Object.keys(files));
  return at(reference);
}

interface Node {
  readonly digest: string;
  readonly artifactType?: string;
  readonly referrers?: readonly Node[];
}

async function discover(reference: string, ...flags: string[]): Promise<readonly Node[]> {
  const tree: Node = JSON.parse(await command('discover', '--format=json', referrersApi, ...flags, reference));
  return tree.referrers ?? [];
}

async function attach(reference: string, kind: string): Promise<string> {
  const type = `--artifact-type=application/vnd.example.${kind}`;
  const attached: Node = JSON.parse(
    await command('attach', '--format=json', referrersApi, type, reference, 'notes.txt'),
  );
  return attached.digest;
}

test('the files of an artifact are pulled unchanged', async () => {
  mkdirSync(join(folder, 'pulled'));
  await command('pull', '--output=pulled', await release('files:v1'));
  for (const [name, bytes] of Object.entries(files)) expect(readFileSync(join(folder, 'pulled', name))).toEqual(bytes);
});

test('attached artifacts are discovered through the referrers API, by type and at any depth', async () => {
  const subject = await release('attached:v1');
  const signature = await attach(subject, 'signature');
  const sbom = await attach(subject, 'sbom');
  expect(digests(await discover(subject))).toEqual([signature, sbom].sort());
  expect(digests(await discover(subject, '--artifact-type=application/vnd.example.sbom'))).toEqual([sbom]);

  const onSbom = await attach(at(`attached@${sbom}`), 'signature');
  const nested = (await discover(subject)).find((node) => node.digest === sbom);
  expect(digests(nested?.referrers ?? [])).toEqual([onSbom]);
});

test('a recursive copy includes the referrers, to another repository, to an OCI layout and back', async () => {
  const subject = await release('source:v1');
  const attached = [await attach(subject, 'signature'), await attach(subject, 'sbom')].sort();
  const fromApi = '--from-distribution-spec=v1.1-referrers-api';
  const toApi = '--to-distribution-spec=v1.1-referrers-api';
  const plain = ['--recursive', '--from-plain-http', '--to-plain-http', fromApi, toApi];
  await run([oras, 'cp', ...plain, subject, at('copied/release:v1')]);
  expect(digests(await discover(at('copied/release:v1')))).toEqual(attached);

  const layout = join(folder, 'layout:v1');
  await run([oras, 'cp', '--recursive', '--from-plain-http', fromApi, '--to-oci-layout', subject, layout]);
  await run([oras, 'cp', '--recursive', '--from-oci-layout', '--to-plain-http', toApi, layout, at('restored:v1')]);
  expect(digests(await discover(at('restored:v1')))).toEqual(attached);
  const fetch = [oras, 'manifest', 'fetch', '--plain-http'];
  expect(await runBytes([...fetch, at('restored:v1')])).toEqual(await runBytes([...fetch, subject]));
});

test('tags and repositories are listed', async () => {
  await command('tag', await release('listed:v1'), 'stable', 'v1.0');
  expect(lines(await command('repo tags', at('listed')))).toEqual(['stable', 'v1', 'v1.0']);
  expect(lines(await command('repo ls', server.host))).toContain('oras/listed');
});

test('a single blob is pushed, fetched and deleted', async () => {
  const digest = digestOf(files['model.bin']);
  const reference = at(`loose@${digest}`);
  await command('blob push', reference, 'model.bin');
  const fetched = await runBytes([oras, 'blob', 'fetch', '--plain-http', '--output=-', reference]);
  expect(digestOf(fetched)).toBe(digest);
  await command('blob delete', '--force', reference);
  await expectNotFound([oras, 'blob', 'fetch', '--plain-http', '--descriptor', reference]);
});

test('a deleted referrer is no longer discovered, and a deleted manifest is no longer fetched', async () => {
  const subject = await release('deleted:v1');
  const signature = await attach(subject, 'signature');
  const sbom = await attach(subject, 'sbom');
  await command('manifest delete', '--force', at(`deleted@${signature}`));
  expect(digests(await discover(subject))).toEqual([sbom]);

  await command('manifest delete', '--force', subject);
  await expectNotFound([oras, 'manifest', 'fetch', '--plain-http', subject]);
});

async function expectNotFound(fetch: readonly string[]): Promise<void> {
  const gone = await attempt(fetch);
  expect(gone.code).not.toBe(0);
  expect(gone.stderr).toContain('not found');
}

function digests(nodes: readonly Node[]): string[] {
  return nodes.map((node) => node.digest).sort();
}

function lines(output: string): string[] {
  return output.trim().split('\n');
}
