// Read-only from outside: READ_ONLY=true, and `marina read-only` beside a running server and without one.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { type Ended, marina, marinaCommand } from '../cli/marina.ts';
import { attempt } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, image, pushImage, randomBlob } from '../support/oci.ts';
import { cleanUp, startServer, temporaryFolder } from '../support/server.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const REPO = 'team/app';
const body = (bytes: Uint8Array) => new Uint8Array(bytes);

/** The status of each kind of write request. */
async function statuses(url: string, pushed: ReturnType<typeof image>): Promise<Record<string, number>> {
  const at = `${url}/v2/${REPO}`;
  const blob = pushed.blobs[0]?.descriptor.digest ?? '';
  const ask = async (path: string, method: string, bytes?: Uint8Array): Promise<number> => {
    const headers = bytes === undefined ? {} : { 'content-type': pushed.descriptor.mediaType };
    const init = bytes === undefined ? { method, headers } : { method, headers, body: body(bytes) };
    return (await fetch(`${at}${path}`, init)).status;
  };
  return {
    start: await ask('/blobs/uploads/', 'POST'),
    monolithic: await ask(`/blobs/uploads/?digest=${blob}`, 'POST', pushed.blobs[0]?.bytes),
    mount: await ask(`/blobs/uploads/?mount=${blob}&from=other/app`, 'POST'),
    manifest: await ask('/manifests/v2', 'PUT', pushed.bytes),
    tag: await ask('/manifests/v1', 'DELETE'),
    deleteManifest: await ask(`/manifests/${pushed.descriptor.digest}`, 'DELETE'),
    deleteBlob: await ask(`/blobs/${blob}`, 'DELETE'),
  };
}

function all(status: number): Record<string, number> {
  const names = ['start', 'monolithic', 'mount', 'manifest', 'tag', 'deleteManifest', 'deleteBlob'];
  return Object.fromEntries(names.map((name) => [name, status]));
}

async function readOnlyGauge(url: string): Promise<string | undefined> {
  return /^marina_read_only (\d)$/m.exec(await (await fetch(`${url}/metrics`)).text())?.[1];
}

function said({ code, lines, stderr }: Ended): [number, string] {
  return [code, [...lines, stderr.trimEnd()].join('')];
}

test('read-only is switched on while the server runs: pushes are refused, pulls continue, an upload in flight may finish', async () => {
  const dataPath = temporaryFolder('read-only');
  const server = await startServer({ STORAGE_PATH: dataPath });
  const { url } = server;
  const pushed = image();
  await pushImage(url, REPO, pushed, 'v1');
  const late = randomBlob(1000);
  const begun = await fetch(`${url}/v2/${REPO}/blobs/uploads/`, { method: 'POST' });
  const first = await fetch(new URL(begun.headers.get('location') ?? '', url), {
    method: 'PATCH',
    body: body(late.bytes.subarray(0, 400)),
  });
  expect(first.status).toBe(202);
  expect(said(await marina(dataPath, 'read-only'))).toEqual([0, 'off: the registry accepts writes']);
  expect(await readOnlyGauge(url)).toBe('0');

  const turned = said(await marina(dataPath, 'read-only', 'on'));
  expect(turned).toEqual([
    0,
    expect.stringMatching(
      /^on since \d{4}-.*Z by operator:\d+: writes are refused, but uploads in progress may finish$/,
    ),
  ]);
  expect(said(await marina(dataPath, 'read-only', 'on'))).toEqual(turned);
  await eventually(() => {
    const lines = server.logs().split('\n');
    const line = lines.find((each) => each.includes('an operator turned the read-only switch')) ?? '{}';
    expect(JSON.parse(line)).toMatchObject({ on: true, actor: expect.stringMatching(/^operator:\d+$/) });
  });
  expect(await statuses(url, pushed)).toEqual(all(503));
  expect(await readOnlyGauge(url)).toBe('1');
  const refused = await fetch(`${url}/v2/${REPO}/blobs/uploads/`, { method: 'POST' });
  expect(refused.headers.get('retry-after')).toBe('5');
  expect(await refused.json()).toEqual({
    errors: [{ code: 'UNAVAILABLE', message: expect.stringContaining('read-only for now (marina read-only)') }],
  });
  const second = await fetch(new URL(first.headers.get('location') ?? '', url), {
    method: 'PATCH',
    body: body(late.bytes.subarray(400)),
  });
  expect(second.status).toBe(202);
  const closing = new URL(second.headers.get('location') ?? '', url);
  closing.searchParams.set('digest', late.descriptor.digest);
  await expectStatus(201, closing.href, { method: 'PUT' });
  await expectStatus(200, `${url}/v2/${REPO}/blobs/${late.descriptor.digest}`);
  await expectStatus(200, `${url}/v2/${REPO}/manifests/v1`);

  // Commands that write are refused as well, each with one line.
  for (const command of [
    ['gc', '--wait'],
    ['rm', REPO],
    ['import', dataPath],
  ]) {
    const { code, lines, stderr } = await marina(dataPath, ...command);
    expect([code, lines]).toEqual([2, []]);
    expect(stderr).toMatch(/^marina: this registry is read-only for now .*\n$/);
  }

  // The switch survives a restart.
  expect(await server.stop()).toBe(0);
  expect(server.logs()).toContain('the registry is read-only from now on');
  expect(server.logs()).not.toContain('a request failed');
  const again = await startServer({ STORAGE_PATH: dataPath });
  expect(await statuses(again.url, pushed)).toEqual(all(503));
  expect(said(await marina(dataPath, 'read-only', 'off'))).toEqual([0, 'off: the registry accepts writes']);
  await pushImage(again.url, REPO, image(), 'v2');
  expect(await again.stop()).toBe(0);

  // Without a server the command itself changes the switch.
  expect(said(await marina(dataPath, 'read-only', 'on'))[0]).toBe(0);
  const last = await startServer({ STORAGE_PATH: dataPath });
  expect((await statuses(last.url, pushed)).start).toBe(503);
});

test('READ_ONLY=true refuses every write, and the run-time switch cannot override it', async () => {
  const dataPath = temporaryFolder('read-only');
  const before = await startServer({ STORAGE_PATH: dataPath });
  const pushed = image();
  await pushImage(before.url, REPO, pushed, 'v1');
  const begun = await fetch(`${before.url}/v2/${REPO}/blobs/uploads/`, { method: 'POST' });
  expect(await before.stop()).toBe(0);

  const env = { STORAGE_PATH: dataPath, READ_ONLY: 'true' };
  const { url } = await startServer(env);
  expect(await statuses(url, pushed)).toEqual(all(405));
  const upload = new URL(begun.headers.get('location') ?? '', url);
  const patched = await fetch(upload, { method: 'PATCH', body: 'x' });
  expect([patched.status, patched.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  expect(await patched.json()).toEqual({
    errors: [{ code: 'UNSUPPORTED', message: expect.stringContaining('read-only (READ_ONLY)') }],
  });
  await expectStatus(200, `${url}/v2/${REPO}/manifests/v1`);
  await expectStatus(200, `${url}/v2/${REPO}/tags/list`);

  const run = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await attempt([...marinaCommand, ...args], { env });
    return [code, new TextDecoder().decode(stdout) + stderr];
  };
  expect(await run('read-only')).toEqual([0, 'on: READ_ONLY is set\n']);
  expect(await run('read-only', 'off')).toEqual([1, expect.stringContaining('READ_ONLY=true is set')]);
  // Without the setting in its environment the command gets it from the server.
  const { code, stderr } = await marina(dataPath, 'read-only', 'off');
  expect([code, stderr]).toEqual([1, expect.stringContaining('READ_ONLY=true is set')]);
});
