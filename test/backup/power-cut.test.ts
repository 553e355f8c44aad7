// kill -9 keeps the page cache. Here strace records the system calls of a backup, and each name that it gives is compared with what a power
// cut at that moment would leave: a later backup trusts whatever has a name.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { marinaCommand } from '../cli/marina.ts';
import { PageCache } from '../durability/trace/page-cache.ts';
import { type Call, parseTrace, TRACED } from '../durability/trace/strace.ts';
import { TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { image, pushImage } from '../support/oci.ts';
import { cleanUp, startServer, temporaryFolder } from '../support/server.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const IMAGES = 5;
const folder = temporaryFolder('backup-power-cut');
const PLACE = join(folder, 'backups');
let calls: readonly Call[];

beforeAll(async () => {
  const STORAGE_PATH = join(folder, 'data');
  const server = await startServer({ STORAGE_PATH });
  for (let each = 0; each < IMAGES; each++) await pushImage(server.url, `power/cut-${each}`, image(), 'v1');
  await server.stop();
  const [strace] = await tools('strace');
  const trace = join(folder, 'trace');
  const command = [...marinaCommand, 'backup', PLACE];
  const traced = Bun.spawn([strace, '-f', '-yy', '-e', `trace=${TRACED}`, '-o', trace, ...command], {
    env: { ...process.env, STORAGE_PATH },
    ...{ stdout: 'ignore', stderr: 'inherit' },
  });
  expect(await traced.exited).toBe(0);
  calls = parseTrace(readFileSync(trace, 'utf8'));
}, TOOLS_WITHIN_MS);

/** What a power cut at any moment of the trace could leave that no reader expects. */
function faultsOf(trace: readonly Call[]): { readonly faults: string[]; readonly named: number } {
  const cache = new PageCache();
  const faults: string[] = [];
  const missing = (moment: number): string[] =>
    cache
      .below(`${PLACE}/`)
      .filter((path) => /^(blobs|packs|backups)\//.test(path.slice(PLACE.length + 1)))
      .flatMap((path) => cache.missing(path, moment));
  let named = 0;
  for (const call of trace) {
    const { op, path, to = '', begin } = call;
    if (op === 'rename' && to.startsWith(`${PLACE}/`)) {
      named++;
      if (!cache.bytesAreDurable(path, begin)) faults.push(`${to} got its name before its bytes were synced`);
      if (to.startsWith(`${PLACE}/backups/`)) faults.push(...missing(begin));
    }
    cache.apply(call);
  }
  faults.push(...missing(Number.POSITIVE_INFINITY));
  return { faults, named };
}

test('a power cut leaves no torn object in a place, and no backup without all of its objects', () => {
  const { faults, named } = faultsOf(calls);
  expect(faults).toEqual([]);
  // Of each image a manifest, a configuration and a layer; a pack, the manifest of the backup and the identity of the place.
  expect(named).toBeGreaterThanOrEqual(3 * IMAGES + 3);
});

test('each sync of the backup is needed', () => {
  const syncs = calls.filter(({ op }) => op === 'sync-all' || op === 'sync');
  const isNeeded = (sync: Call): boolean => faultsOf(calls.filter((call) => call !== sync)).faults.length > 0;
  expect(syncs.filter(isNeeded).length).toBeGreaterThanOrEqual(3);
});
