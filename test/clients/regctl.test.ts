import { afterAll, beforeAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { attempt, run, runBytes, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { index } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { forPlatform, readLayout, runnableImage, writeLayout } from './layout.ts';

const folder = temporaryFolder('regctl');
const image = await runnableImage();
const arm = await runnableImage('arm64');
const both = index([forPlatform(image, 'amd64'), forPlatform(arm, 'arm64')]);
let regctl: string[];
let server: Server;

beforeAll(async () => {
  const [path] = await tools('regctl');
  server = await startServer();
  regctl = [path, `--host=reg=${server.host},tls=disabled`];
  writeLayout(join(folder, 'index'), both, [image, ...image.blobs, arm, ...arm.blobs], 'v1');
  await command('image', 'copy', `ocidir://${join(folder, 'index')}:v1`, at('image:v1'));
}, TOOLS_WITHIN_MS);
afterAll(cleanUp);

// A separate configuration file, so that the developer's has no effect.
const options = { env: { REGCTL_CONFIG: join(folder, 'config.json') } };

function at(reference: string): string {
  return `${server.host}/regctl/${reference}`;
}

function command(...rest: string[]): Promise<string> {
  return run([...regctl, ...rest], options);
}

test('an index pushed and pulled again is the same, byte for byte', async () => {
  expect(await command('image', 'digest', at('image:v1'))).toBe(`${both.descriptor.digest}\n`);
  const raw = await runBytes([...regctl, 'manifest', 'get', '--format=raw-body', at('image:v1')], options);
  expect(raw).toEqual(both.bytes);
  await command('image', 'copy', at('image:v1'), `ocidir://${join(folder, 'pulled')}:v1`);
  expect(readLayout(join(folder, 'pulled'))).toEqual(readLayout(join(folder, 'index')));
});

test('a referrer is listed, and copied with its subject', async () => {
  const type = 'application/vnd.example.report';
  const note = join(folder, 'index', 'index.json');
  await command('artifact', 'put', `--artifact-type=${type}`, `--file=${note}`, `--subject=${at('image:v1')}`);
  const list = ['artifact', 'list', '--format={{range .Descriptors}}{{.ArtifactType}} {{.Digest}}{{end}}'];
  const listed = await command(...list, at('image:v1'));
  expect(listed).toStartWith(type);
  // The list of tags would contain the fallback tag that clients write to registries without the referrers API.
  expect(await command('tag', 'ls', at('image'))).toBe('v1\n');

  await command('image', 'copy', '--referrers', at('image:v1'), at('copied/image:v1'));
  expect(await command(...list, at('copied/image:v1'))).toBe(listed);
});

test('tags and repositories are listed', async () => {
  for (const tag of ['v1', 'v2', 'v10']) await command('image', 'copy', at('image:v1'), at(`listed:${tag}`));
  expect(await command('tag', 'ls', at('listed'))).toBe('v1\nv10\nv2\n');
  expect(await command('tag', 'ls', '--limit=1', '--last=v1', at('listed'))).toBe('v10\n');
  const repositories = (await command('repo', 'ls', server.host)).trim().split('\n');
  expect(repositories).toEqual(expect.arrayContaining(['regctl/image', 'regctl/listed']));
});

test('a blob is put, read, copied to another repository and deleted', async () => {
  const file = join(folder, 'index', 'index.json');
  const bytes = await Bun.file(file).bytes();
  const digest = (await run(['sh', '-c', '"$@" < "$0"', file, ...regctl, 'blob', 'put', at('loose')], options)).trim();
  await command('blob', 'copy', at('loose'), at('loose-copy'), digest);
  expect(await runBytes([...regctl, 'blob', 'get', at('loose-copy'), digest], options)).toEqual(bytes);
  await command('blob', 'delete', at('loose-copy'), digest);
  const gone = await attempt([...regctl, 'blob', 'head', at('loose-copy'), digest], options);
  expect(gone.code).not.toBe(0);
  await command('blob', 'head', at('loose'), digest);
});

test('deleting a tag keeps the manifest; deleting the manifest removes its tags', async () => {
  for (const tag of ['v1', 'v2', 'v3']) await command('image', 'copy', at('image:v1'), at(`deleted:${tag}`));
  await command('tag', 'delete', at('deleted:v2'));
  expect(await command('tag', 'ls', at('deleted'))).toBe('v1\nv3\n');
  await command('manifest', 'head', at(`deleted@${both.descriptor.digest}`));
  await command('manifest', 'delete', at(`deleted@${both.descriptor.digest}`));
  const gone = await attempt([...regctl, 'manifest', 'head', at('deleted:v1')], options);
  expect(gone.code).not.toBe(0);
  expect(gone.stderr).toContain('not found');
});
