import { FileSessions } from '../../src/registry/file-sessions.ts';
import { SessionIds } from '../../src/registry/session-ids.ts';
import type { StorageDriver } from '../../src/storage/driver.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { stagedKey, uploadPrefix } from '../../src/storage/paths.ts';
import { openTemporaryFolder } from '../support/data-folder.ts';
import type { TestClock } from '../support/deterministic.ts';
import { type OpenedSessions, SESSION_EXPIRY, sessionsContract } from './sessions.contract.ts';

/** @param reopened the driver as another process opens it */
function filesOver(
  clock: TestClock,
  driver: StorageDriver,
  reopened: () => Promise<StorageDriver>,
  close: () => Promise<void>,
): OpenedSessions {
  let newest = driver;
  const ids = new SessionIds('01ARZ3NDEKTSV4RRFFQ69G5FAV');
  const over = (each: StorageDriver) => new FileSessions({ driver: each, ids, now: clock.now, expiry: SESSION_EXPIRY });
  return {
    store: over(driver),
    reopen: async () => {
      newest = await reopened();
      return over(newest);
    },
    renew: async () => {},
    leaveBytes: (id, inc) => newest.put(stagedKey(id, inc), new Uint8Array([1])),
    hasBytes: async (id) => {
      for await (const _ of newest.list(uploadPrefix(id))) return true;
      return false;
    },
    close,
  };
}

sessionsContract('the memory driver', async (clock) => {
  const driver = new MemoryDriver();
  return filesOver(clock, driver, async () => driver, driver.close);
});

sessionsContract('a filesystem', async (clock) => {
  const folder = await openTemporaryFolder();
  return filesOver(clock, folder.driver, folder.reopen, folder.close);
});
