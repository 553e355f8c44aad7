// cosign signs, attaches and verifies with a key, through tokens. Nothing is sent to a transparency log: there is no network.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt, type CommandResult, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { image, pushImage } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { passwordOf, writeAccessFiles } from './world.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const folder = temporaryFolder('cosign');
const signed = image();
let cosign: string;
let server: Server;
/** The image by digest, as cosign requires it. */
let reference: string;

beforeAll(async () => {
  [cosign] = await tools('cosign');
  const STORAGE_PATH = temporaryFolder('cosign-data');
  const open = await startServer({ STORAGE_PATH });
  await pushImage(open.url, 'ours/app', signed, 'v1');
  await open.stop();
  server = await startServer({ ...writeAccessFiles().env, PUBLIC_HOSTS: '', STORAGE_PATH });
  reference = `${server.host}/ours/app@${signed.descriptor.digest}`;
  for (const prefix of ['ours', 'others'])
    await command('nobody', 'generate-key-pair', `--output-key-prefix=${prefix}`);
  // No transparency log, no timestamps, and no certificate authority.
  await command('nobody', 'signing-config', 'create', '--out=signing.json');
  await command('nobody', 'trusted-root', 'create', '--out=root.json');
  writeFileSync(join(folder, 'sbom.json'), JSON.stringify({ spdxVersion: 'SPDX-2.3', name: 'app' }));
}, TOOLS_WITHIN_MS);

/** cosign as one account, with its own login. Its home is also in the folder, because it would keep downloads there. */
const optionsOf = (account: string) => ({
  cwd: folder,
  env: { DOCKER_CONFIG: join(folder, account), COSIGN_PASSWORD: 'of the key', HOME: folder },
});
const command = (account: string, ...rest: string[]): Promise<string> => run([cosign, ...rest], optionsOf(account));
const tried = (account: string, ...rest: string[]): Promise<CommandResult> =>
  attempt([cosign, ...rest], optionsOf(account));

const logIn = (account: string) =>
  command(account, 'login', server.host, `--username=${account}`, `--password=${passwordOf(account)}`);

const OFFLINE = ['--signing-config=signing.json', '--trusted-root=root.json', '--yes'];
const sign = (account: string) => tried(account, 'sign', '--key=ours.key', ...OFFLINE, reference);
const verify = (account: string, key = 'ours.pub') =>
  tried(account, 'verify', `--key=${key}`, '--insecure-ignore-tlog=true', reference);

test('cosign signs an image, and verifies it with the key and no other', async () => {
  await logIn('pusher');
  await logIn('reader');
  expect((await verify('reader')).code).not.toBe(0);
  expect(await sign('pusher')).toMatchObject({ code: 0 });
  const { code, stdout } = await verify('reader');
  expect(code).toBe(0);
  expect(new TextDecoder().decode(stdout)).toContain(signed.descriptor.digest);
  expect((await verify('reader', 'others.pub')).code).not.toBe(0);
});

test('cosign attests an SBOM and attaches one, and reads both', async () => {
  await logIn('pusher');
  await logIn('reader');
  const sbom = ['--type=spdxjson', '--predicate=sbom.json'];
  await command('pusher', 'attest', '--key=ours.key', ...OFFLINE, ...sbom, reference);
  const verifying = ['verify-attestation', '--insecure-ignore-tlog=true', '--type=spdxjson'];
  const envelope: { payload: string } = JSON.parse(await command('reader', ...verifying, '--key=ours.pub', reference));
  const statement: unknown = JSON.parse(atob(envelope.payload));
  expect(statement).toMatchObject({ predicateType: 'https://spdx.dev/Document', predicate: { name: 'app' } });
  expect((await tried('reader', ...verifying, '--key=others.pub', reference)).code).not.toBe(0);

  await command('pusher', 'attach', 'sbom', '--sbom=sbom.json', reference);
  const tree = await command('reader', 'tree', reference);
  for (const part of ['SBOMs for an image tag', 'https://spdx.dev/Document']) expect(tree).toContain(part);
});

test('cosign is refused, and says why: signing as a reader, and everything as an account without the right to pull', async () => {
  await logIn('reader');
  await logIn('outsider');
  const refused = await sign('reader');
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain('you may not push to ours/app with this token');
  for (const account of ['outsider', 'nobody']) {
    const { code, stderr } = await verify(account);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/unauthorized/i);
  }
});
