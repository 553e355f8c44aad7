import { LOG_LEASE_MS, LogSessions } from '../../src/registry/log-sessions.ts';
import { SessionIds } from '../../src/registry/session-ids.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { stagedKey, uploadPrefix } from '../../src/storage/paths.ts';
import { countingIncarnations, type TestClock } from '../support/deterministic.ts';
import { TestRepeats } from '../support/repeats.ts';
import { type OpenedSessions, SESSION_EXPIRY, sessionsContract } from './sessions.contract.ts';
import { sessionNodesContract } from './sessions-nodes.contract.ts';

async function open(clock: TestClock): Promise<OpenedSessions> {
  const driver = new MemoryDriver();
  const ids = new SessionIds('01ARZ3NDEKTSV4RRFFQ69G5FAV');
  const repeats = new TestRepeats();
  const newToken = countingIncarnations(clock.now);
  const another = () =>
    new LogSessions({
      ...{ driver, ids, newToken, now: clock.now, expiry: SESSION_EXPIRY, repeat: repeats.repeat },
      failed: (error) => {
        throw error;
      },
    });
  return {
    store: another(),
    reopen: async () => another(),
    renew: () => repeats.fire(),
    leaveBytes: (id, inc) => driver.put(stagedKey(id, inc), new Uint8Array([1])),
    hasBytes: async (id) => {
      // Of one that ended its last word stays: that it did.
      for await (const { key } of driver.list(uploadPrefix(id))) if (!key.includes('/state/')) return true;
      return false;
    },
    close: driver.close,
  };
}

sessionsContract('a log in the store', open);
sessionNodesContract('a log in the store', LOG_LEASE_MS, open);
