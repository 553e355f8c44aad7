import type { Config } from '../config.ts';
import { OPERATOR } from '../control/protocol.ts';
import { MemoryBoard } from '../feed/hint-board.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import { MemoryProjection } from '../projection/memory.ts';
import type { Projection } from '../projection/projection.ts';
import type { RedisAddress } from '../projection/redis/address.ts';
import { noCrash } from '../storage/crash-points.ts';
import { noLogs } from '../telemetry/log.ts';
import { Telemetry } from '../telemetry/metrics.ts';
import { idFactory, sleep } from './basics.ts';
import { openClusterNotes, openNoter } from './feed.ts';
import { logListingFailure } from './listing-failure.ts';
import { type OpenedStore, openStore, type StorePorts } from './store.ts';

/** A store that an operator's command changes without a server. */
export interface WritableStore {
  readonly base: StorePorts;
  readonly opened: OpenedStore;
  readonly projection: Projection;
  readonly newId: () => Incarnation;
  readonly close: () => Promise<void>;
}

/** Opens a store that no server holds, or that cannot be locked. @throws StoreRefused in one line */
export async function openAlone(config: Config): Promise<WritableStore> {
  const base = silent();
  const opened = await openStore(config, false, base);
  const noter = openNoter({ ...base, opened, node: OPERATOR }, new MemoryBoard(() => performance.now()));
  const projection = new MemoryProjection({
    ...base,
    driver: opened.driver,
    sleep,
    now: Date.now,
    node: OPERATOR,
    budget: config.viewMemory,
    probe: !opened.isLocked,
    onAppend: (_, repo, seq) => noter.hint(repo, seq),
    onFound: (repo, seq) => noter.hint(repo, seq),
    onGrowth: () => {},
    onListingFailed: (error) => logListingFailure(base.logs, error),
  });
  const close = async (): Promise<void> => {
    await noter.close();
    await opened.close();
  };
  return { base, opened, projection, newId: base.newId, close };
}

/** Opens the store of a cluster, as a node without clients. @throws StoreRefused, RedisRefused in one line */
export async function openShared(config: Config, address: RedisAddress): Promise<WritableStore> {
  const { openRedis, openSharedProjection } = await import('./redis.ts');
  const base = silent();
  const opened = await openStore(config, true, base);
  const redis = await openRedis(config, address, base.logs, base.telemetry);
  const shared = { ...base, config, opened, redis, node: OPERATOR };
  const notes = openClusterNotes(shared, redis);
  const onAppend = (_: number, repo: RepositoryName, seq: number): void => notes.hint(repo, seq);
  const { projection } = openSharedProjection({ ...shared, onAppend, onFound: notes.hint });
  const close = async (): Promise<void> => {
    await notes.close();
    await redis.close();
    await opened.close();
  };
  return { base, opened, projection, newId: base.newId, close };
}

/** Ports for commands, which have no log and no metrics. */
export function silent(): StorePorts {
  return {
    newId: idFactory(),
    reach: noCrash,
    logs: noLogs(),
    telemetry: new Telemetry(),
  };
}
