// A real worker on a store in its own memory, with one repository whose snapshot is due.
// usage: bun test/support/memory-worker.ts <Redis URL> <store>
import type { RepositoryName } from '../../src/oci/names.ts';
import { FileSessions } from '../../src/registry/file-sessions.ts';
import { SessionIds } from '../../src/registry/session-ids.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { snapshotKey } from '../../src/storage/paths.ts';
import { runWorker } from '../../src/worker.ts';
import { jobConnection } from './jobs.ts';
import { openProjection } from './projections.ts';
import { setTags } from './writers.ts';

const [url = '', store = ''] = process.argv.slice(2);
const repo = 'team/app' as RepositoryName;

await runWorker(['snapshot', 'sweep-snapshots', 'expire-uploads'], async ({ uploadExpiry }) => {
  const driver = new MemoryDriver();
  const projection = openProjection(driver);
  for (let slot = 0; slot < 512; slot++) await projection.submit(repo, setTags(`t${slot}`));
  return {
    store,
    instance: store,
    place: 'memory',
    driver,
    sessions: new FileSessions({ driver, ids: new SessionIds(store), now: Date.now, expiry: uploadExpiry }),
    reapMultiparts: undefined,
    collect: async () => {},
    retain: async () => {},
    lookAhead: async () => {},
    sweepNotes: async () => {},
    connect: (use) => jobConnection(url, use),
    announce: () => ({ drains: () => {}, close: async () => {} }),
    close: async () => {
      const written = await driver.head(snapshotKey(repo, 512));
      console.log(written === undefined ? 'no snapshot' : 'a snapshot was written');
    },
  };
});
