import { answerCollection, nothingCollected } from '../collection/report.ts';
import type { Config } from '../config.ts';
import { ControlClient } from '../control/client.ts';
import {
  isSetForGood,
  readSwitch,
  requireWritable,
  turnSwitch,
  type WriteState,
  WriteSwitch,
} from '../registry/write-switch.ts';
import { answerRetention, nothingRetained } from '../retention/report.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import type { Logger } from '../telemetry/log.ts';
import { repeat } from './basics.ts';
import { type OpenedStore, openStore } from './store.ts';
import { requireStoreOwner, silent } from './writable.ts';

/** How often a process looks whether another one has turned the switch, in milliseconds. */
const LOOK_EVERY_MS = 2_000;

const ANSWERS: Readonly<Record<WriteState, string>> = {
  writable: 'the registry takes writes again',
  paused: 'the registry is read-only from now on: writes are refused, uploads that were begun may end',
  'read-only': 'the registry is read-only (READ_ONLY): writes are refused',
};

export interface OpenedSwitch {
  readonly writes: WriteSwitch;
  readonly close: () => void;
}

/**
 * The switch as this process knows it. Where others can write to the store, they can turn it: it is looked at again and again.
 * @throws what the store fails with
 */
export async function openWriteSwitch(
  { readOnly }: Pick<Config, 'readOnly'>,
  { driver, isLocked }: Pick<OpenedStore, 'driver' | 'isLocked'>,
  logger: Logger,
): Promise<OpenedSwitch> {
  const writes = await WriteSwitch.open({
    driver,
    isReadOnly: readOnly,
    now: Date.now,
    onChange: (state) => logger.warn(ANSWERS[state]),
  });
  if (readOnly) logger.warn(ANSWERS['read-only']);
  if (isLocked || readOnly) return { writes, close: () => {} };
  let isTold = false;
  const close = repeat(LOOK_EVERY_MS, async () => {
    try {
      await writes.look();
      isTold = false;
    } catch (error) {
      // Once an outage: every request of it says so, too.
      if (!isTold)
        logger.warn({ err: error }, 'whether the registry is read-only could not be read; it stays as it is');
      isTold = true;
    }
  });
  return { writes, close };
}

type Job<Progress> = (
  request: string | undefined,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
) => Promise<void>;

const STOPPED = 'the registry is read-only: nothing more is deleted until that is over';

/**
 * Background work that deletes does so only while the registry takes writes; what runs when that ends is stopped.
 * @param answer what an operator who waits for a request is told
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
    answerCollection(driver, { ...nothingCollected(newId(), Date.now(), STOPPED), request }),
  );
}

export function retainWhileWritable<Progress>(run: Job<Progress>, writes: WriteSwitch, driver: Put): Job<Progress> {
  return whileWritable(run, writes, (request) =>
    answerRetention(driver, { ...nothingRetained(Date.now(), STOPPED), request }),
  );
}

/** For an operator's command that writes. @throws RegistryError `read-only`, `writes-paused` */
export async function requireWritableStore(
  { readOnly }: Pick<Config, 'readOnly'>,
  reader: Pick<StoreReader, 'read'>,
): Promise<void> {
  requireWritable(readOnly ? 'read-only' : (await readSwitch(reader)) === undefined ? 'writable' : 'paused');
}

/** How the switch stands, for its operator. `since`: ISO 8601, `unknown` where it cannot be read. */
export type SwitchPosition =
  | { readonly state: 'writable' | 'read-only' }
  | { readonly state: 'paused'; readonly since: string };

export async function positionOf(
  { readOnly }: Pick<Config, 'readOnly'>,
  reader: Pick<StoreReader, 'read'>,
): Promise<SwitchPosition> {
  if (readOnly) return { state: 'read-only' };
  const since = await readSwitch(reader);
  return since === undefined ? { state: 'writable' } : { state: 'paused', since };
}

/**
 * Turns the switch: by the server that holds the data folder, else in the store, where every node looks.
 * @returns milliseconds until all nodes have seen it
 * @throws RegistryError `request-invalid` where READ_ONLY is set; StoreRefused in one line
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
    await turnSwitch(opened.driver, on, Date.now());
  } finally {
    await opened.close();
  }
  return isShared ? LOOK_EVERY_MS : 0;
}
