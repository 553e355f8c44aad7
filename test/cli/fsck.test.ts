// fsck on intact stores: stopped, beside a server, with named repositories; its output, and what it does not change.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { run } from '../support/command.ts';
import { content, emptyConfig, image, index, mediaTypes, pushBlob, pushImage, pushManifest } from '../support/oci.ts';
import { cleanUp, projectRoot, startServer, temporaryFolder } from '../support/server.ts';
import { copyOf, fsck, linesOf, marina, marinaCommand, objectPath } from './marina.ts';
import { APP, MANY, MANY_SLOTS, makeStore, OTHER, type Store } from './store.ts';

const ESCAPE = '\x1b';
let store: Store;

beforeAll(async () => {
  store = await makeStore();
});
afterAll(cleanUp);

test('an intact store has no faults', async () => {
  const { code, findings, summary } = await fsck(store.dataPath);
  expect({ code, findings }).toEqual({ code: 0, findings: [] });
  expect(summary).toMatchObject({ faults: 0, warnings: 0, repositories: 3, snapshots: 1 });
  expect(summary).toMatchObject({ orphans: { count: 0, bytes: 0 }, wrongHints: 0 });
  expect(summary.slots).toBeGreaterThan(MANY_SLOTS);
});

test('--scrub reads each object once, however many repositories link to it', async () => {
  const { code, summary } = await fsck(store.dataPath, '--scrub');
  expect(code).toBe(0);
  // Each repository has its own manifests; the blobs of `first` are the same objects in all three.
  const { first, second, artifact } = store;
  const blobs = [...first.blobs, ...second.blobs, ...artifact.blobs].length + 1;
  const manifests = 2 + 1 + 1;
  expect(summary).toMatchObject({ objects: blobs + manifests, verified: blobs + manifests });
});

test('the report for people is one line, without escape codes if there is no terminal', async () => {
  const { code, lines, stdout, stderr } = await marina(store.dataPath, 'fsck', '--scrub');
  expect(code).toBe(0);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toStartWith('no faults; 3 repositories, ');
  expect(stdout).not.toContain(ESCAPE);
  expect(stderr).toBe('');
});

test('npm run marina does the same', async () => {
  const env = { STORAGE_PATH: store.dataPath };
  const said = await run(['npm', 'run', '--silent', 'marina', '--', 'fsck', OTHER], { env, cwd: projectRoot });
  expect(said).toStartWith('no faults; 1 repository, ');
});

test('only the named repositories are checked', async () => {
  const damaged = copyOf(store.dataPath);
  rmSync(await objectPath(damaged, MANY, store.first.descriptor.digest));
  expect(await fsck(damaged, APP, OTHER)).toMatchObject({ code: 0, summary: { repositories: 2, orphans: null } });
  expect(await fsck(damaged, MANY)).toMatchObject({ code: 1, summary: { repositories: 1, faults: 1 } });
});

test('an unknown repository is reported before anything is checked', async () => {
  const { code, stdout, stderr } = await marina(store.dataPath, 'fsck', APP, 'no/such');
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(linesOf(stderr)).toEqual([expect.stringContaining('there is no repository no/such')]);
});

test('nothing is written to the data folder', async () => {
  const copy = copyOf(store.dataPath);
  rmSync(join(copy, 'tmp'), { recursive: true });
  const before = everythingIn(copy);
  await fsck(copy, '--scrub');
  await marina(copy, 'log', APP);
  await marina(copy, 'history', APP, 'v1');
  expect(everythingIn(copy)).toEqual(before);
  expect(existsSync(join(copy, 'tmp'))).toBeFalse();
});

test('references that the spec allows to be absent are warnings', async () => {
  const settings = { STORAGE_PATH: temporaryFolder('sparse') };
  const server = await startServer(settings);
  const foreign = content(new Uint8Array(10), 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip');
  const windows = image({ config: emptyConfig, layers: [foreign] });
  await pushBlob(server.url, 'sparse/app', emptyConfig);
  await pushManifest(server.url, 'sparse/app', windows, 'windows');
  const absent = image();
  const both = index([windows, absent]);
  await pushManifest(server.url, 'sparse/app', both, 'both');
  const { code, findings, summary } = await fsck(settings.STORAGE_PATH);
  expect(code).toBe(0);
  expect(summary).toMatchObject({ faults: 0, warnings: 2 });
  const named = findings.map(({ digest, message }) => [digest, message]);
  expect(named).toContainEqual([windows.descriptor.digest, expect.stringContaining(foreign.descriptor.digest)]);
  expect(named).toContainEqual([both.descriptor.digest, expect.stringContaining(absent.descriptor.digest)]);
  await server.stop();
});

test('orphaned objects and wrong hints are counted, and are not faults', async () => {
  const copy = copyOf(store.dataPath);
  const orphan = ulid(Date.now() - 1000);
  mkdirSync(join(copy, 'data', orphan.slice(-2)), { recursive: true });
  writeFileSync(join(copy, 'data', orphan.slice(-2), orphan), 'twelve bytes');
  const [hint] = everythingIn(join(copy, 'digests')).filter(({ isFile }) => isFile);
  if (hint === undefined) return expect.unreachable();
  writeFileSync(hint.path, readFileSync(hint.path, 'utf8').replace(/"repo":"[^"]*"/, '"repo":"some/where"'));
  const { code, summary } = await fsck(copy);
  expect(code).toBe(0);
  expect(summary).toMatchObject({ orphans: { count: 1, bytes: 12 }, wrongHints: 1 });
  const { stdout } = await marina(copy, 'fsck');
  expect(stdout).toContain('1 orphan of 12 B; 1 wrong hint');
  expect(stdout).toContain('collection frees orphans (gc --dry-run shows them)');
});

test('a deleted object counts as kept within its grace, and as an orphan after it', async () => {
  const { second } = store;
  const deleted = second.bytes.length;
  expect((await fsck(store.dataPath)).summary).toMatchObject({
    kept: { count: 1, bytes: deleted },
    orphans: { count: 0, bytes: 0 },
  });
  const env = { STORAGE_PATH: store.dataPath, GC_GRACE: '1ms' };
  const said = await run([...marinaCommand, 'fsck'], { env });
  expect(said).toContain(`1 orphan of ${deleted} B`);
  expect((await marina(store.dataPath, 'fsck')).stdout).toContain(
    `1 deleted object of ${deleted} B may still be restored`,
  );
});

test('a terminal shows a progress bar and colours, and complete findings', async () => {
  const damaged = copyOf(store.dataPath);
  rmSync(await objectPath(damaged, OTHER, store.first.descriptor.digest));
  const { code, seen } = await inTerminal(damaged, 'fsck', '--scrub');
  expect(code).toBe(1);
  expect(seen).toMatch(/=+-* \d+% \| \d+ objects, .* read \| ETA/);
  expect(seen).toContain(`${ESCAPE}[31mfault`);
  expect(seen).toContain(`${OTHER} ${store.first.descriptor.digest}: its object is missing`);
});

test('memory does not grow with the amount of scrubbed data', async () => {
  const settings = { STORAGE_PATH: temporaryFolder('large') };
  const server = await startServer(settings);
  const size = 384 * 1024 * 1024;
  await pushImage(server.url, 'large/app', image({ layers: [content(new Uint8Array(size), mediaTypes.layer)] }));
  await server.stop();
  const scrub = Bun.spawn([...marinaCommand, 'fsck', '--scrub'], { env: { ...process.env, ...settings } });
  let most = 0;
  while (scrub.exitCode === null) {
    most = Math.max(most, peakMemoryOf(scrub.pid));
    await Bun.sleep(20);
  }
  expect(scrub.exitCode).toBe(0);
  expect(most).toBeGreaterThan(0);
  expect(most).toBeLessThan(size / 2);
});

/** Peak resident bytes of a process since its exec. resourceUsage() would count the memory of this process before that. */
function peakMemoryOf(pid: number): number {
  let status = '';
  try {
    status = readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    // The process has just ended.
  }
  const [, kibibytes = '0'] = /^VmHWM:\s+(\d+) kB$/m.exec(status) ?? [];
  return Number(kibibytes) * 1024;
}

interface Entry {
  readonly path: string;
  readonly isFile: boolean;
  readonly size: number;
  readonly modified: number;
}

function everythingIn(folder: string): Entry[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const path = join(folder, name);
      const found = lstatSync(path);
      return { path, isFile: found.isFile(), size: found.size, modified: found.mtimeMs };
    });
}

/** Runs a command under a pseudo-terminal. @returns its whole output */
async function inTerminal(dataPath: string, ...args: string[]): Promise<{ code: number; seen: string }> {
  const chunks: Uint8Array[] = [];
  const ended = Promise.withResolvers<void>();
  const terminal = {
    ...{ cols: 200, rows: 40 },
    data: (_: Bun.Terminal, data: Uint8Array) => void chunks.push(data),
    exit: () => ended.resolve(),
  };
  // CI and NO_COLOR would turn the colours off.
  const { CI: _ci, NO_COLOR: _noColor, ...environment } = process.env;
  const env = { ...environment, STORAGE_PATH: dataPath, TERM: 'xterm-256color' };
  const command = Bun.spawn([...marinaCommand, ...args], { terminal, env });
  const code = await command.exited;
  // The last output of the process may still be in flight.
  await ended.promise;
  command.terminal?.close();
  return { code, seen: Buffer.concat(chunks).toString() };
}
