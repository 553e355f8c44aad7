// Other users of the machine can do nothing with a data folder, and commands of the wrong user write nothing to it.
import { afterAll, expect, test } from 'bun:test';
import { spawn } from 'node:child_process';
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { marina } from '../cli/marina.ts';
import { attempt } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, image, pushBlob, pushImage, randomBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';

const REPOSITORY = 'local/users';
const OTHER = 54_321;

afterAll(cleanUp);

/** A server that inherits the umask 000. */
async function startCareless(env: Readonly<Record<string, string>>): Promise<Server> {
  const before = process.umask(0);
  try {
    return await startServer(env);
  } finally {
    process.umask(before);
  }
}

/** All entries of a folder that others may read, write or enter, with their modes. */
function openToOthers(folder: string): string[] {
  const names = ['.', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })];
  return names.flatMap((name) => {
    const found = lstatSync(join(folder, name), { throwIfNoEntry: false });
    if (found === undefined || (found.mode & 0o077) === 0) return [];
    return [`${name} ${(found.mode & 0o777).toString(8)}`];
  });
}

async function chownAll(folder: string, owner: number): Promise<void> {
  expect((await attempt(['chown', '-R', `${owner}:${owner}`, folder])).code).toBe(0);
}

async function pushAllKinds(url: string): Promise<void> {
  await pushImage(
    url,
    REPOSITORY,
    image({ layers: [randomBlob(1_000), randomBlob(100_000), randomBlob(3_000_000)] }),
    'v1',
  );
  await pushBlob(url, REPOSITORY, randomBlob(2_000_000));
  const started = await expectStatus(202, `${url}/v2/${REPOSITORY}/blobs/uploads/`, { method: 'POST' });
  const body = randomBlob(300_000).bytes;
  await expectStatus(202, url + started.headers.get('location'), { method: 'PATCH', body });
}

test.each(['true', 'false'])(
  'no file, folder or socket of a server is accessible to others, whatever the umask (STORAGE_WRITE_AHEAD=%s)',
  async (ahead) => {
    const folder = join(temporaryFolder('careless'), 'new', 'data');
    const server = await startCareless({ STORAGE_PATH: folder, STORAGE_WRITE_AHEAD: ahead, GC_GRACE: '1s' });
    await pushAllKinds(server.url);
    expect((await marina(folder, 'gc', '--wait')).code).toBe(0);
    expect(lstatSync(join(folder, 'tmp', 'control')).isSocket()).toBe(true);
    expect(openToOthers(join(folder, '..'))).toEqual([]);
    expect(readdirSync(folder, { recursive: true }).length).toBeGreaterThan(1_000);
    expect(await server.stop()).toBe(0);
    expect(openToOthers(join(folder, '..'))).toEqual([]);
  },
  300_000,
);

test('permissions that an older version left open are restricted at startup, and one line says so', async () => {
  const folder = temporaryFolder('earlier');
  const first = await startServer({ STORAGE_PATH: folder });
  await pushImage(first.url, REPOSITORY, image(), 'v1');
  expect(first.logs()).not.toContain('accessible to other users');
  expect(await first.stop()).toBe(0);
  for (const name of ['.', 'tmp', 'repos']) chmodSync(join(folder, name), 0o755);
  chmodSync(join(folder, 'lock'), 0o644);
  const again = await startServer({ STORAGE_PATH: folder });
  await eventually(() => {
    const lines = again.logs().split('\n');
    expect(lines.filter((line) => line.includes('accessible to other users (mode 755)'))).toHaveLength(1);
  });
  // The mode of the data folder protects everything below it.
  expect(openToOthers(folder)).toEqual(['repos 755']);
  expect(await again.stop()).toBe(0);
});

test('a user who does not own the store gets one line that names the owner, and writes nothing', async () => {
  if (process.getuid?.() !== 0) throw new Error('this test makes files of other users: run it as root');
  const folder = temporaryFolder('owned');
  const first = await startServer({ STORAGE_PATH: folder });
  await pushImage(first.url, REPOSITORY, image(), 'v1');
  expect(await first.stop()).toBe(0);
  await chownAll(folder, OTHER);
  const source = temporaryFolder('source');
  mkdirSync(join(source, 'docker/registry/v2/repositories/none'), { recursive: true });
  const before = await listing(folder);
  const refusal = `belongs to the user ${OTHER}, who could not use what this process writes as root (0): run it with sudo -u '#${OTHER}'`;
  const commands = [
    ['gc'],
    ['gc', '--wait'],
    ['retention'],
    ['read-only', 'on'],
    ['rm', REPOSITORY],
    ['restore', REPOSITORY, 'v1', '--at', '3'],
    ['tag', REPOSITORY, 'v1', '--to', '3'],
    ['import', source],
    ['fsck', '--repair'],
    ['robot', 'create', 'ci'],
    ['robot', 'revoke', 'ci'],
  ];
  for (const command of commands) {
    const { code, stderr, stdout } = await marina(folder, ...command);
    expect({ command, code, stdout, stderr }).toEqual({
      command,
      code: 2,
      stdout: expect.any(String),
      stderr: expect.stringContaining(refusal),
    });
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  }
  const env = { STORAGE_PATH: folder, HOST: '127.0.0.1', PORT: '0' };
  const server = await attempt(['node_modules/.bin/bun', 'src/main.ts'], { env });
  expect([server.code, server.stderr]).toEqual([1, expect.stringContaining(refusal)]);
  expect(await listing(folder)).toBe(before);
  // Reading writes nothing.
  expect((await marina(folder, 'log', REPOSITORY)).code).toBe(0);
  expect((await marina(folder, 'gc', '--dry-run')).code).toBe(0);
});

test('a running server accepts no command from another user, not even root', async () => {
  const folder = temporaryFolder('served');
  const server = await startServer({ STORAGE_PATH: folder });
  await pushImage(server.url, REPOSITORY, image(), 'v1');
  // As if another user had started it.
  chownSync(join(folder, 'format'), OTHER, OTHER);
  const { code, stderr } = await marina(folder, 'gc');
  expect([code, stderr]).toEqual([2, expect.stringContaining(`sudo -u '#${OTHER}'`)]);
  expect(await server.stop()).toBe(0);
});

test('the kernel lets no other user connect to the socket of the commands', async () => {
  const folder = temporaryFolder('socket');
  const server = await startServer({ STORAGE_PATH: folder });
  const socket = join(folder, 'tmp', 'control');
  const connect = (uid: number): Promise<number | null> => {
    const script = `require('node:net').connect(process.argv[1]).on('connect', () => process.exit(0)).on('error', () => process.exit(3))`;
    const command = spawn('node', ['-e', script, socket], { uid, cwd: '/', stdio: 'ignore' });
    return new Promise((resolve, reject) => command.on('exit', resolve).on('error', reject));
  };
  expect(await connect(process.getuid?.() ?? -1)).toBe(0);
  expect(await connect(OTHER)).toBe(3);
  // Not even where the folders above let it through.
  chmodSync(folder, 0o711);
  expect(await connect(OTHER)).toBe(3);
  chmodSync(join(folder, 'tmp'), 0o711);
  expect(await connect(OTHER)).toBe(3);
  expect(await server.stop()).toBe(0);
});

/** Every name with its owner, mode, size and time, without tmp/, where the owner of new files is probed. */
async function listing(folder: string): Promise<string> {
  const { stdout } = await attempt(['find', folder, '-printf', '%p %u %m %s %T@\n']);
  const lines = new TextDecoder().decode(stdout).split('\n');
  return lines
    .filter((line) => !line.startsWith(`${join(folder, 'tmp')} `))
    .sort()
    .join('\n');
}
