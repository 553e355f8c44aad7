// Backups of a server under load, whose processes are killed at any time. BACKUP_TIMES sets how many backups are begun.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fsck, marina, marinaCommand } from '../cli/marina.ts';
import { eventually } from '../support/eventually.ts';
import { image, pushImage } from '../support/oci.ts';
import { cleanUp, freePort, removeFolder, type Server, startServer, temporaryFolder } from '../support/server.ts';

const TIMES = Number(process.env.BACKUP_TIMES ?? 4);
const REPOSITORIES = ['drill/a', 'drill/b', 'drill/c'];
/** How many images there are at first. */
const IMAGES = 40;
/** About the longest time that a backup takes here, in milliseconds: it is killed within it. */
const BACKUP_MS = 1_500;
const RESTARTED_WITHIN_MS = 60_000;

setDefaultTimeout(120_000 + TIMES * 30_000);
afterAll(cleanUp);

const folder = temporaryFolder('backup-drill');
const STORAGE_PATH = join(folder, 'data');
const PLACE = join(folder, 'backups');
const SETTINGS = {
  ...{ STORAGE_PATH, PORT: String(freePort()), DELETE_ENABLED: 'true' },
  ...{ GC_GRACE: '2s', UPLOAD_EXPIRY: '3s', GC_INTERVAL: '1s' },
};

let server: Server;
let isOver = false;
/** Pushes that were acknowledged, by their repository: a backup that begins later has the slots. */
let pushes = 0;

/** Pushes, moves tags and deletes, whatever happens to the server. */
async function load(repo: string): Promise<void> {
  const pushed: string[] = [];
  for (let number = 0; !isOver; number++) {
    try {
      const fresh = image();
      await pushImage(server.url, repo, fresh, `t${number % 20}`);
      pushes++;
      pushed.push(fresh.descriptor.digest);
      if (pushed.length > 30) {
        const digest = pushed.shift();
        await fetch(`${server.url}/v2/${repo}/manifests/${digest}`, { method: 'DELETE' });
      }
    } catch {
      // The server was killed. The push counts only if it was acknowledged.
      await Bun.sleep(20);
    }
  }
}

function slotsOf(dataPath: string, repo: string): string[] {
  const log = join(dataPath, 'repos', repo, '_log');
  return existsSync(log) ? readdirSync(log).sort() : [];
}

interface Begun {
  readonly name: string;
  readonly code: number | null;
  /** The slots of each repository before it began. */
  readonly before: ReadonlyMap<string, number>;
}

/** Like a service manager. A backup that found no server has the folder for a moment. */
async function restarted(): Promise<Server> {
  for (const deadline = performance.now() + RESTARTED_WITHIN_MS; ; await Bun.sleep(100)) {
    try {
      return await startServer(SETTINGS);
    } catch (error) {
      if (performance.now() > deadline || !String(error).includes('in use by another Marina')) throw error;
    }
  }
}

async function beginAndKill(round: number): Promise<Begun> {
  const name = `round-${round}`;
  const before = new Map(REPOSITORIES.map((repo) => [repo, slotsOf(STORAGE_PATH, repo).length]));
  const process_ = Bun.spawn([...marinaCommand, 'backup', PLACE, '--name', name], {
    env: { ...process.env, STORAGE_PATH },
    ...{ stdout: 'ignore', stderr: 'pipe' },
  });
  // In turn: nothing, the server, the backup, or both are killed.
  const [killsServer, killsBackup] = [round % 4 === 1 || round % 4 === 3, round % 4 === 2 || round % 4 === 3];
  await Promise.race([process_.exited, Bun.sleep(Math.random() * BACKUP_MS)]);
  if (killsBackup) process_.kill('SIGKILL');
  if (killsServer) {
    await server.kill();
    server = await restarted();
  }
  await process_.exited;
  const failure = await new Response(process_.stderr).text();
  if (process_.exitCode !== null && process_.exitCode !== 0) console.log(`${name}: ${process_.exitCode} ${failure}`);
  return { name, code: process_.exitCode, before };
}

/** Whether a restored log is the beginning of the registry's own log, and has what was there before the backup. */
function expectSameLog(target: string, repo: string, least: number): void {
  const slots = slotsOf(target, repo);
  expect(slots.length).toBeGreaterThanOrEqual(least);
  const path = (root: string, slot: string): string => join(root, 'repos', repo, '_log', slot);
  for (const slot of slots)
    expect(Buffer.compare(readFileSync(path(target, slot)), readFileSync(path(STORAGE_PATH, slot)))).toBe(0);
}

test('every backup that says that it is whole restores whole, whatever is killed', async () => {
  // A push may take longer than the grace on a busy machine, so nothing is collected meanwhile.
  server = await startServer({ ...SETTINGS, GC_ENABLED: 'false' });
  for (let each = 0; each < IMAGES; each++)
    await pushImage(server.url, REPOSITORIES[each % REPOSITORIES.length] ?? '', image(), `first-${each}`);
  expect(await server.stop()).toBe(0);
  server = await startServer(SETTINGS);
  const clients = REPOSITORIES.map((repo) => load(repo));
  const begun: Begun[] = [];
  for (let round = 0; round < TIMES; round++) {
    const earlier = pushes;
    await eventually(async () => expect(pushes).toBeGreaterThan(earlier), 60_000);
    begun.push(await beginAndKill(round));
  }
  isOver = true;
  await Promise.all(clients);
  const whole = begun.filter(({ code }) => code === 0);
  // Those that nothing was done to, at least.
  expect(whole.length).toBeGreaterThanOrEqual(Math.ceil(TIMES / 4));
  const listed = (await marina(STORAGE_PATH, 'backup', 'list', PLACE, '--json')).lines.map(
    (line) => JSON.parse(line).name,
  );
  for (const { name } of whole) expect(listed).toContain(name);
  expect((await marina(STORAGE_PATH, 'backup', 'verify', PLACE)).stdout).toContain('no faults');
  for (const { name, before } of begun) {
    if (!listed.includes(name)) continue;
    const target = join(temporaryFolder('drill-restored'), 'data');
    expect(await marina(STORAGE_PATH, 'backup', 'restore', PLACE, '--to', target, '--name', name)).toMatchObject({
      code: 0,
    });
    expect(await fsck(target, '--scrub')).toMatchObject({ code: 0, faults: [] });
    for (const [repo, least] of before) expectSameLog(target, repo, least);
    removeFolder(target);
  }
});
