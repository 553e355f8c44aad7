import { collectionReports, nothingCollected } from '../collection/report.ts';
import type { Config } from '../config.ts';
import { ControlClient } from '../control/client.ts';
import {
  isSetForGood,
  readSwitch,
  requireWritable,
  turnSwitch,
  type WriteState,
  WriteSwitch,
  type WriteSwitchPorts,
} from '../registry/write-switch.ts';
import { readReplicaMark } from '../replica/mark.ts';
import { nothingRetained, retentionReports } from '../retention/report.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import type { Logger } from '../telemetry/log.ts';
import { ALONE, type Thread } from '../threads/thread.ts';
import { operatorLabel, repeat } from './basics.ts';
import { type OpenedStore, openStore } from './store.ts';
import { requireStoreOwner } from './store-owner.ts';
import { silent } from './writable.ts';

/** How often a process checks whether another one has turned the switch, in milliseconds. */
const CHECK_EVERY_MS = 2_000;

const ANSWERS: Readonly<Record<WriteState, string>> = {
  writable: 'the registry accepts writes again',
  replica: 'the registry is a replica: only its source changes it',
  paused: 'the registry is read-only from now on: writes are refused, but uploads in progress may finish',
  'read-only': 'the registry is read-only (READ_ONLY): writes are refused',
};

export interface OpenedSwitch {
  readonly writes: WriteSwitch;
  readonly close: () => void;
}

/**
 * Opens the read-only switch. If other processes can write to the store, they can turn it, so it is read at an interval.
 * @param replica if this store is a replica
 * @throws errors of the store
 */
export async function openWriteSwitch(
  { readOnly }: Pick<Config, 'readOnly'>,
  { driver, isLocked }: Pick<OpenedStore, 'driver' | 'isLocked'>,
  logger: Logger,
  thread: Thread = ALONE,
  replica?: WriteSwitchPorts['replica'],
): Promise<OpenedSwitch> {
  const warn = (state: WriteState): void => {
    // Once for all threads.
    if (thread.kind !== 'other') logger.warn(ANSWERS[state]);
  };
  const writes = await WriteSwitch.open({
    driver,
    isReadOnly: readOnly,
    replica,
    now: Date.now,
    onChange: warn,
  });
  if (readOnly) warn('read-only');
  if (isLocked || readOnly) return { writes, close: () => {} };
  let isLogged = false;
  const close = repeat(CHECK_EVERY_MS, async () => {
    try {
      await writes.look();
      isLogged = false;
    } catch (error) {
      // Once per outage is enough, because every request that fails during it is logged, too.
      if (!isLogged)
        logger.warn({ err: error }, 'could not read whether the registry is read-only; the last known state stays');
      isLogged = true;
    }
  });
  return { writes, close };
}

type Job<Progress> = (
  request: string | undefined,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
) => Promise<void>;

const STOPPED = 'the registry is read-only: nothing is deleted until it accepts writes again';

/**
 * Lets a background job that deletes run only while the registry accepts writes, and stops it when that ends.
 * @param answer writes the report for an operator who waits for this request
 */
function whileWritable<Progress>(
  run: Job<Progress>,
  writes: Pick<WriteSwitch, 'stopped'>,
  answer: (request: string) => Promise<void>,
): Job<Progress> {
  return async (request, signal, onProgress) => {
    const { stopped } = writes;
    if (!stopped.aborted) {
      try {
        return await run(request, AbortSignal.any([signal, stopped]), onProgress);
      } catch (error) {
        if (!stopped.aborted || signal.aborted) throw error;
      }
    }
    if (request !== undefined) await answer(request);
  };
}

type Put = Pick<ObjectStore, 'put'>;

export function collectWhileWritable<Progress>(
  run: Job<Progress>,
  writes: WriteSwitch,
  driver: Put,
  newId: () => string,
): Job<Progress> {
  return whileWritable(run, writes, (request) =>
    collectionReports.answer(driver, { ...nothingCollected(newId(), Date.now(), STOPPED), request }),
  );
}

export function retainWhileWritable<Progress>(run: Job<Progress>, writes: WriteSwitch, driver: Put): Job<Progress> {
  return whileWritable(run, writes, (request) =>
    retentionReports.answer(driver, { ...nothingRetained(Date.now(), STOPPED), request }),
  );
}

/** It writes its result. */
export function lookAheadWhileWritable(
  run: (signal: AbortSignal) => Promise<void>,
  writes: Pick<WriteSwitch, 'state'>,
): (signal: AbortSignal) => Promise<void> {
  return async (signal) => {
    if (writes.state === 'writable') await run(signal);
  };
}

/** To be called by an operator's command that writes. @throws RegistryError `read-only`, `writes-paused` */
export async function requireWritableStore(
  { readOnly }: Pick<Config, 'readOnly'>,
  reader: Pick<StoreReader, 'read'>,
): Promise<void> {
  const mark = await readReplicaMark(reader);
  if (mark !== undefined && mark.promoted === undefined)
    requireWritable('replica', { source: mark.source, redirects: false });
  if (readOnly) requireWritable('read-only');
  if ((await readSwitch(reader)) !== undefined) requireWritable('paused');
}

/** The position of the switch, for the operator. `since` is ISO 8601, or `unknown` if it cannot be read. */
export type SwitchPosition =
  | { readonly state: 'writable' | 'read-only' }
  | { readonly state: 'paused'; readonly since: string; readonly by: string | undefined };

export async function positionOf(
  { readOnly }: Pick<Config, 'readOnly'>,
  reader: Pick<StoreReader, 'read'>,
): Promise<SwitchPosition> {
  if (readOnly) return { state: 'read-only' };
  const on = await readSwitch(reader);
  return on === undefined ? { state: 'writable' } : { state: 'paused', ...on };
}

/**
 * Turns the switch through the server that holds the data folder, or otherwise in the store, where every node reads it.
 * @returns milliseconds until all nodes have read it
 * @throws RegistryError `request-invalid` if READ_ONLY is set; StoreRefused in one line
 */
export async function turnStoreSwitch(config: Config, on: boolean, place: string): Promise<number> {
  if (config.readOnly) throw isSetForGood();
  requireStoreOwner(config);
  const isShared = config.redisUrl !== undefined || config.storageDriver !== 'filesystem';
  const server = isShared ? undefined : await ControlClient.connect(place);
  if (server !== undefined) {
    await server.turnReadOnly(on);
    return 0;
  }
  const opened = await openStore(config, isShared, silent());
  try {
    await turnSwitch(opened.driver, on, Date.now(), operatorLabel());
  } finally {
    await opened.close();
  }
  return isShared ? CHECK_EVERY_MS : 0;
}
