import { type Config, ConfigError } from '../config.ts';
import { ControlClient } from '../control/client.ts';
import { OPERATOR } from '../control/protocol.ts';
import { RegistryError } from '../oci/errors.ts';
import type { HttpSource } from '../replica/http-source.ts';
import { type Lag, lagOf } from '../replica/lag.ts';
import { readReplicaMark } from '../replica/mark.ts';
import { promote } from '../replica/promote.ts';
import { SourceAway, SourceRefused } from '../replica/source-errors.ts';
import { type Verification, verifyReplica } from '../replica/verify.ts';
import type { StoreReader } from '../storage/driver.ts';
import { operatorLabel, sleep } from './basics.ts';
import { openSource } from './replica-source.ts';
import { openStore } from './store.ts';
import { requireStoreOwner } from './store-owner.ts';
import { silent } from './writable.ts';

interface Store {
  readonly reader: StoreReader;
  /** Absolute path of the data folder, or the bucket. */
  readonly place: string;
}

/** What `marina replica` does. */
export const replicaCommands = {
  /** @throws RegistryError `request-invalid` if the store is no replica */
  lag: async (config: Config, { reader }: Store): Promise<Lag> => {
    const mark = await readReplicaMark(reader);
    if (mark === undefined) throw new RegistryError('request-invalid', 'this store is no replica');
    return await lagOf(reader, requireSource(config), mark, Date.now());
  },

  /** @throws RegistryError `unavailable`, `request-invalid` if the source does not answer as it should */
  async *verify(config: Config, { reader }: Store): AsyncGenerator<Verification> {
    try {
      yield* verifyReplica(reader, requireSource(config));
    } catch (error) {
      if (error instanceof SourceAway) throw new RegistryError('unavailable', error.message, undefined, error);
      if (error instanceof SourceRefused) throw new RegistryError('request-invalid', error.message, undefined, error);
      throw error;
    }
  },

  /** Through the server that holds the data folder, or in the store, where every process looks. @throws as `promote` */
  promote: async (config: Config, { place }: Store): Promise<void> => {
    requireStoreOwner(config);
    const isShared = config.redisUrl !== undefined || config.storageDriver !== 'filesystem';
    const server = isShared ? undefined : await ControlClient.connect(place);
    if (server !== undefined) return await server.promote();
    const base = silent();
    const opened = await openStore(config, isShared, base);
    try {
      const { newId } = base;
      await promote(operatorLabel(), {
        driver: opened.driver,
        identity: opened,
        now: Date.now,
        newId,
        sleep,
        node: OPERATOR,
      });
    } finally {
      await opened.close();
    }
  },
};

function requireSource(config: Config): HttpSource {
  const source = openSource(config);
  if (source === undefined)
    throw new ConfigError(
      'REPLICA_OF is not set: give this command the settings of the replica (REPLICA_OF, REPLICA_USERNAME, …)',
    );
  return source;
}
