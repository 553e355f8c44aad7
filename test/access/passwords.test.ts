// HTPASSWD_FILE from outside: files of other tools, logins with Basic, and the effects of changes.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { marinaCommand } from '../cli/marina.ts';
import { readLayout, runnableImage, writeLayout } from '../clients/layout.ts';
import { attempt, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { inFolder, startDistribution, stopDistributions, withAccounts } from '../support/distribution.ts';
import { eventually } from '../support/eventually.ts';
import { randomBlob } from '../support/oci.ts';
import { secret } from '../support/secrets.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';

setDefaultTimeout(300_000);

const LONG = 'long enough to be cut by bcrypt, which uses no more than 72 bytes of a password';
const PASSWORDS = {
  alice: 'correct horse',
  'mary ann': 'pässwörd€',
  long: LONG,
  argon: 'argon2 password',
  bob: 'battery staple',
};

for (const each of Object.values(PASSWORDS)) secret(each);

let htpasswd: string;
let argon2: string;
let crane: string;
beforeAll(async () => {
  [htpasswd, argon2, crane] = await tools('htpasswd', 'argon2', 'crane', 'registry');
}, TOOLS_WITHIN_MS);
afterAll(stopDistributions);
afterAll(cleanUp);

/** A line as Apache's htpasswd makes it, with bcrypt. */
async function apacheLine(name: string, password: string): Promise<string> {
  return (await run([htpasswd, '-niBC', '5', name], { input: password })).trim();
}

async function addWithMarina(file: string, name: keyof typeof PASSWORDS, ...options: string[]): Promise<void> {
  const command = [...marinaCommand, 'user', 'add', name, '--password-stdin', ...options];
  await run(command, { env: { HTPASSWD_FILE: file }, input: PASSWORDS[name] });
}

async function newFile(): Promise<string> {
  const file = join(temporaryFolder('accounts'), 'htpasswd');
  const lines = [];
  for (const name of ['alice', 'mary ann', 'long'] as const) lines.push(await apacheLine(name, PASSWORDS[name]));
  writeFileSync(file, `# made by htpasswd\n${lines.join('\n')}\n`);
  await addWithMarina(file, 'bob', '--bcrypt');
  return file;
}

async function statusOf(url: string, credentials?: readonly [name: string, password: string]): Promise<number> {
  const headers = credentials === undefined ? {} : { authorization: basic(...credentials) };
  const response = await fetch(`${url}/v2/`, { headers, signal: AbortSignal.timeout(30_000) });
  await response.arrayBuffer();
  return response.status;
}

function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}

async function metric(server: Server, name: string): Promise<number | undefined> {
  const authorization = basic('alice', PASSWORDS.alice);
  const text = await (await fetch(`${server.url}/metrics`, { headers: { authorization } })).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
}

describe('accounts', () => {
  test('of htpasswd, argon2 and marina log in; wrong passwords, other names and no credentials are 401', async () => {
    const file = await newFile();
    const encoded = ['argon2', 'some salt here', '-id', '-t', '2', '-m', '12', '-p', '4', '-e'];
    const line = await run([argon2, ...encoded.slice(1)], { input: PASSWORDS.argon });
    writeFileSync(file, `${readFileSync(file, 'utf8')}argon:${line}`);
    const server = await startServer({ HTPASSWD_FILE: file });
    for (const [name, password] of Object.entries(PASSWORDS)) {
      expect([name, await statusOf(server.url, [name, password])]).toEqual([name, 200]);
      expect([name, await statusOf(server.url, [name, `${password.slice(0, 8)}!`])]).toEqual([name, 401]);
    }
    expect(await statusOf(server.url, ['eve', PASSWORDS.alice])).toBe(401);
    expect(await statusOf(server.url, ['alice', ''])).toBe(401);
    expect(await statusOf(server.url)).toBe(401);
    await server.stop();
    for (const secret of [...Object.values(PASSWORDS), '$2y$', '$argon2id$'])
      expect(server.logs()).not.toContain(secret);
  });

  test('are the same as those of distribution, which reads the same file, also beyond 72 bytes', async () => {
    const file = await newFile();
    const distribution = await startDistribution(inFolder(temporaryFolder('distribution-data')), withAccounts(file));
    const server = await startServer({ HTPASSWD_FILE: file });
    for (const [name, password] of [
      ['alice', PASSWORDS.alice],
      ['mary ann', PASSWORDS['mary ann']],
      ['bob', PASSWORDS.bob],
      ['long', LONG],
      ['long', LONG.slice(0, 72)],
      ['long', `${LONG.slice(0, 72)}anything`],
      ['long', LONG.slice(0, 71)],
      ['alice', 'wrong password'],
    ] as const) {
      const here = await statusOf(server.url, [name, password]);
      expect([name, password, here]).toEqual([name, password, await statusOf(distribution.url, [name, password])]);
    }
    await server.stop();
  });

  test('can do everything, while nothing is shown to others', async () => {
    const server = await startServer({ HTPASSWD_FILE: await newFile() });
    const authorization = basic('alice', PASSWORDS.alice);
    const blob = randomBlob(1_000);
    const url = `${server.url}/v2/team/app/blobs/uploads/?digest=${blob.descriptor.digest}`;
    const push = { method: 'POST', body: new Uint8Array(blob.bytes) };
    expect((await fetch(url, push)).status).toBe(401);
    expect((await fetch(url, { ...push, headers: { authorization } })).status).toBe(201);
    for (const path of [
      `/v2/team/app/blobs/${blob.descriptor.digest}`,
      '/v2/_catalog',
      '/v2/team/app/tags/list',
      '/metrics',
    ]) {
      expect([path, (await fetch(server.url + path)).status]).toEqual([path, 401]);
      expect([path, (await fetch(server.url + path, { headers: { authorization } })).status]).toEqual([path, 200]);
    }
    await server.stop();
  });
});

test('crane logs in, pushes and pulls, and is refused without a login', async () => {
  const server = await startServer({ HTPASSWD_FILE: await newFile() });
  const folder = temporaryFolder('crane');
  const image = await runnableImage();
  writeLayout(join(folder, 'image'), image, image.blobs, 'v1');
  const reference = `${server.host}/team/app:v1`;
  const command = (...args: string[]) =>
    attempt([crane, '--insecure', ...args], { env: { DOCKER_CONFIG: join(folder, 'docker') } });
  const refused = await command('push', join(folder, 'image'), reference);
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toMatch(/401|UNAUTHORIZED/);
  const logIn = (password: string) => command('auth', 'login', server.host, '-u', 'bob', '-p', password);
  expect((await logIn(PASSWORDS.bob)).code).toBe(0);
  expect(await command('push', join(folder, 'image'), reference)).toMatchObject({ code: 0 });
  expect(await command('pull', '--format=oci', reference, join(folder, 'pulled'))).toMatchObject({ code: 0 });
  expect(readLayout(join(folder, 'pulled'))).toEqual(readLayout(join(folder, 'image')));
  expect((await logIn('wrong password')).code).toBe(0);
  const wrong = await command('digest', reference);
  expect(wrong.code).not.toBe(0);
  expect(wrong.stderr).toMatch(/401|UNAUTHORIZED/);
  await server.stop();
});

test('thirty concurrent requests, as for the layers of an image, cost one hash', async () => {
  const server = await startServer({ HTPASSWD_FILE: await newFile() });
  const statuses = Array.from({ length: 30 }, () => statusOf(server.url, ['alice', PASSWORDS.alice]));
  expect(await Promise.all(statuses)).toEqual(Array.from({ length: 30 }, () => 200));
  expect(await metric(server, 'marina_password_answers_total{outcome="right"}')).toBe(1);
  await server.stop();
});

test('too many wrong passwords: 429 with Retry-After for that account and client, and the right one still passes elsewhere', async () => {
  const server = await startServer({ HTPASSWD_FILE: await newFile(), TRUST_PROXY: 'loopback' });
  const logIn = (password: string, address: string) =>
    fetch(`${server.url}/v2/`, {
      headers: { authorization: basic('alice', password), 'x-forwarded-for': address },
    });
  const statuses = [];
  for (let n = 0; n < 12; n++) statuses.push((await logIn(`guess ${n}`, '2001:db8::1')).status);
  expect(statuses).toEqual([...Array.from({ length: 10 }, () => 401), 429, 429]);
  const limited = await logIn(PASSWORDS.alice, '2001:db8::2');
  expect(limited.status).toBe(429);
  expect(Number(limited.headers.get('retry-after'))).toBeWithin(500, 601);
  expect((await logIn(PASSWORDS.alice, '2001:db8:0:1::1')).status).toBe(200);
  // The right password is cached, so it is also accepted from here.
  expect((await logIn(PASSWORDS.alice, '2001:db8::2')).status).toBe(200);
  await server.stop();
});

describe('a file that changes', () => {
  test('is used within seconds: added accounts, new passwords and removed accounts', async () => {
    const file = await newFile();
    const server = await startServer({ HTPASSWD_FILE: file });
    expect(await statusOf(server.url, ['alice', PASSWORDS.alice])).toBe(200);
    expect(await statusOf(server.url, ['argon', PASSWORDS.argon])).toBe(401);
    await addWithMarina(file, 'argon');
    await run([...marinaCommand, 'user', 'passwd', 'bob', '--password-stdin'], {
      env: { HTPASSWD_FILE: file },
      input: 'another password',
    });
    await run([...marinaCommand, 'user', 'remove', 'alice'], { env: { HTPASSWD_FILE: file } });
    // Each thread of the server reads the file by itself.
    await eventually(async () => {
      expect(await statusOf(server.url, ['argon', PASSWORDS.argon])).toBe(200);
      expect(await statusOf(server.url, ['alice', PASSWORDS.alice])).toBe(401);
      expect(await statusOf(server.url, ['bob', 'another password'])).toBe(200);
      expect(await statusOf(server.url, ['bob', PASSWORDS.bob])).toBe(401);
    }, 20_000);
    await server.stop();
  });

  test('and is wrong keeps the old accounts; the log names the line, and /metrics shows it', async () => {
    const file = await newFile();
    const server = await startServer({ HTPASSWD_FILE: file });
    const good = readFileSync(file, 'utf8');
    // Each thread of the server reads the file by itself.
    const current = () => metric(server, 'marina_config_file_current{file="HTPASSWD_FILE"}');
    // By a rename, as editors and `marina user` do.
    writeFileSync(`${file}.new`, `${good}eve:$apr1$vYZQGGWk$GwzWyVF8tm6ZPgJ1Jcc2U.\n`);
    renameSync(`${file}.new`, file);
    await eventually(() => expect(server.logs()).toContain('line 6: its hash is MD5'));
    expect(server.logs()).not.toContain('vYZQGGWk');
    expect(await statusOf(server.url, ['alice', PASSWORDS.alice])).toBe(200);
    await eventually(async () => expect(await current()).toBe(0));
    writeFileSync(file, `${good}eve:${(await apacheLine('eve', 'password of eve')).slice('eve:'.length)}\n`);
    await eventually(async () => expect(await statusOf(server.url, ['eve', 'password of eve'])).toBe(200));
    await eventually(async () => expect(await current()).toBe(1));
    await server.stop();
  });
});

test('a wrong file stops the start with one line that names file, line and reason', async () => {
  const folder = temporaryFolder('wrong-accounts');
  const file = join(folder, 'htpasswd');
  const start = async (text: string | undefined) => {
    if (text !== undefined) writeFileSync(file, text);
    const env = {
      HTPASSWD_FILE: file,
      STORAGE_PATH: join(folder, 'data'),
      PORT: '0',
      HOST: '127.0.0.1',
      LOG_FORMAT: 'json',
    };
    const [bun = ''] = marinaCommand;
    const { code, stdout, stderr } = await attempt([bun, 'src/main.ts'], { env });
    return { code, text: new TextDecoder().decode(stdout) + stderr };
  };
  for (const [text, reason] of [
    [undefined, 'there is no such file: create an account with "marina user add NAME"'],
    ['alice:secret-password\n', 'line 1: it has no bcrypt or argon2id hash'],
    ['# old\nalice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n', 'line 2: its hash is SHA-1'],
    [`alice:$2y$31$${'a'.repeat(21)}.${'a'.repeat(30)}.\n`, 'line 1: the cost of its bcrypt hash is 31'],
  ] as const) {
    const { code, text: said } = await start(text);
    expect([reason, code]).toEqual([reason, 1]);
    const shown = text === undefined ? 'HTPASSWD_FILE' : `HTPASSWD_FILE=${file}`;
    expect(said.split('\n').filter((line) => line.includes(`${shown} cannot be used: `))).toHaveLength(1);
    expect(said).toContain(reason);
    expect(said).not.toMatch(/secret-password|W6ph5|aaaa/);
  }
});
