import { resolve } from 'node:path';
import type { Config } from '../config.ts';
import type { Incarnation } from '../oci/names.ts';
import type { ReachStep } from '../storage/crash-points.ts';
import type { StorageDriver } from '../storage/driver.ts';
import type { Fatal } from '../storage/filesystem/disk-sync.ts';
import { openDataFolder } from '../storage/filesystem/folder.ts';
import { ThreadDriver } from '../storage/filesystem/threads/driver.ts';
import { STORE_CALLS, type StoreCalls } from '../storage/filesystem/threads/protocol.ts';
import { type NewIdentity, readIdentity, type StoreIdentity, StoreRefused } from '../storage/prepare.ts';
import type { S3Configuration } from '../storage/s3/settings.ts';
import { endProcess } from '../system/end-process.ts';
import type { Logs } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { offer, remote } from '../threads/calls.ts';
import { ALONE, type Thread } from '../threads/thread.ts';
import { sleep } from './basics.ts';

/** The storage of blobs and logs, which is the source of truth. */
export interface OpenedStore extends StoreIdentity {
  readonly driver: StorageDriver;
  /** Location for messages: the data folder's absolute path, or the bucket. */
  readonly place: string;
  /** Whether no other process can write to it. */
  readonly isLocked: boolean;
  /** Aborts old multipart uploads; undefined for drivers without them. */
  readonly reapMultiparts: ((before: number, signal: AbortSignal) => Promise<unknown>) | undefined;
  readonly close: () => Promise<void>;
}

/** Settings of the store; those of one thread have its part of the process's memory. */
type StoreConfig = Config & Pick<S3Configuration, 'threadCount'>;

export interface StorePorts {
  readonly newId: () => Incarnation;
  readonly reach: ReachStep;
  readonly logs: Logs;
  readonly telemetry: Telemetry;
  /** What an empty store becomes; undefined: one with a history of its own. */
  readonly identify?: NewIdentity | undefined;
}

/**
 * Opens the configured store.
 * @param shared whether other nodes use the same store
 * @param thread the owner opens a folder that is not shared for all threads of the process; other stores are opened by each
 * @throws StoreRefused in one line
 */
export function openStore(
  config: StoreConfig,
  shared: boolean,
  ports: StorePorts,
  thread: Thread = ALONE,
): Promise<OpenedStore> {
  if (config.storageDriver === 's3') return openBucket(config, ports);
  return openFolder(config, shared, ports, shared ? ALONE : thread);
}

async function openFolder(config: Config, shared: boolean, ports: StorePorts, thread: Thread): Promise<OpenedStore> {
  if (thread.kind === 'other') return await openThreadFolder(thread.services.store, ports);
  const { newId, reach, logs, identify } = ports;
  const place = resolve(config.storagePath);
  const folder = await openDataFolder(place, {
    uniqueName: newId,
    now: Date.now,
    reach,
    shared,
    writeAhead: config.writeAhead,
    threads: thread.kind === 'owner' ? thread.count : 1,
    onClosed: (mode) =>
      logs.logger.warn(
        { path: place },
        `the data folder was accessible to other users (mode ${mode.toString(8)}): now only its owner can access it (mode 700)`,
      ),
    onRecovered: (objects) =>
      logs.logger.warn(
        { objects },
        'the last process did not shut down cleanly: objects were recovered from the write-ahead log',
      ),
    fatal: fatalTo(logs),
    ...(identify === undefined ? {} : { identify }),
  });
  await folder.driver.prepareShelves();
  const others = thread.kind === 'owner' ? thread.others : [];
  for (const { services } of others) offer<StoreCalls>(services.store, folder.driver.serveThread());
  return { ...folder, place, isLocked: !shared, reapMultiparts: undefined };
}

/** The folder that the owner has opened. */
async function openThreadFolder(port: MessagePort, { newId, reach, logs }: StorePorts): Promise<OpenedStore> {
  const owner = remote<StoreCalls>(port, STORE_CALLS);
  const folder = await owner.open();
  const driver = new ThreadDriver({ folder, owner, uniqueName: newId, reach, fatal: fatalTo(logs) });
  const identity = await readIdentity(driver);
  if (identity === undefined) throw new StoreRefused(`the data folder ${folder.root} has lost its object \`format\``);
  return {
    driver,
    ...identity,
    place: folder.root,
    isLocked: true,
    reapMultiparts: undefined,
    close: () => driver.close(),
  };
}

function fatalTo(logs: Logs): Fatal {
  return (reason, cause) => {
    logs.logger.fatal({ err: cause }, `${reason}: the process exits; only synced data was acknowledged`);
    logs.flush();
    endProcess(1);
  };
}

async function openBucket(config: StoreConfig, { newId, telemetry, identify }: StorePorts): Promise<OpenedStore> {
  const { openS3Store } = await import('../storage/s3/open.ts');
  const ports = {
    now: Date.now,
    sleep,
    random: Math.random,
    newId,
    onRequest: (operation: string, ok: boolean) => telemetry.services.storageRequested(operation, ok),
  };
  const { driver, store, secrets, instance, close } = await openS3Store(config, ports, identify);
  const prefix = config.s3Prefix === undefined ? '' : `/${config.s3Prefix.replace(/^\/+|\/+$/g, '')}`;
  return {
    driver,
    store,
    secrets,
    instance,
    place: `s3://${config.s3Bucket ?? ''}${prefix}`,
    isLocked: false,
    reapMultiparts: (before, signal) => driver.reapMultiparts(before, signal),
    close,
  };
}
