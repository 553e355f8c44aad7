import { LOG_LEASE_MS } from '../../src/registry/log-sessions.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { sessionLogPrefix, stagedKey, uploadPrefix } from '../../src/storage/paths.ts';
import type { TestClock } from '../support/deterministic.ts';
import { logSessions } from '../support/shared-sessions.ts';
import { type OpenedSessions, SESSION_EXPIRY, sessionsContract } from './sessions.contract.ts';
import { sessionNodesContract } from './sessions-nodes.contract.ts';

async function open(clock: TestClock): Promise<OpenedSessions> {
  const driver = new MemoryDriver();
  const shared = logSessions({ driver, clock, expiry: SESSION_EXPIRY });
  return {
    store: await shared.node(),
    reopen: shared.node,
    renew: () => shared.repeats.fire(),
    leaveBytes: (id, inc) => driver.put(stagedKey(id, inc), new Uint8Array([1])),
    hasBytes: async (id) => {
      // The last record of an ended session stays.
      for await (const { key } of driver.list(uploadPrefix(id))) if (!key.startsWith(sessionLogPrefix(id))) return true;
      return false;
    },
    close: shared.close,
  };
}

sessionsContract('a log in the store', open);
sessionNodesContract('a log in the store', LOG_LEASE_MS, open);
