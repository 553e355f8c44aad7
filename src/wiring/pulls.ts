import type { RepositoryName } from '../oci/names.ts';
import type { Reference } from '../registry/interface.ts';
import type { RetentionPolicy } from '../retention/policy.ts';
import { PullRecorder } from '../retention/pulls/pull-recorder.ts';
import {
  beginRecording,
  compactPulls,
  endRecording,
  type KnownPulls,
  readPulls,
  storePulls,
} from '../retention/pulls/pull-store.ts';
import type { PlanPorts } from '../retention/retain.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import { offer, remote } from '../threads/calls.ts';
import { repeat } from './basics.ts';
import type { ShapePorts } from './node-ports.ts';

const FLUSH_EVERY_MS = 5 * 60_000;
/** From a thread to the one that stores them. Short, because a pull waits for both intervals before it is stored. */
const HAND_OVER_EVERY_MS = 30_000;

/** Loads the pull times that the policy depends on, and compacts them in the store. */
export async function loadPulls(
  driver: ObjectStore,
  policy: RetentionPolicy,
  newId: () => string,
): Promise<PlanPorts['pulls']> {
  const window = policy.pullWindow;
  if (window === undefined) return NO_PULLS;
  const now = Date.now();
  const known = await readPulls(driver, now);
  await compactPulls(driver, known, { now, window, newId });
  return pulledAt(known);
}

/** Reads the pull times that the policy depends on. Writes nothing. */
export async function peekPulls(driver: StoreReader, policy: RetentionPolicy): Promise<PlanPorts['pulls']> {
  return policy.pullWindow === undefined ? NO_PULLS : pulledAt(await readPulls(driver, Date.now()));
}

/** For policies that do not depend on pull times. */
const NO_PULLS: PlanPorts['pulls'] = () => () => 0;

function pulledAt({ times, began }: KnownPulls): PlanPorts['pulls'] {
  return (repo) => (tag, digest) => Math.max(began, times.last(repo, tag, digest));
}

/** What the owner of a data folder offers to each other thread. */
type PullsService = Pick<PullLog, 'add'>;

/**
 * Records what clients pull, if a retention rule depends on it. The threads of a data folder hand their records to the owner.
 * @returns undefined if none does
 */
export async function openPulls({
  opened,
  policy,
  newId,
  logs,
  thread,
  folderThread,
}: Pick<ShapePorts, 'opened' | 'policy' | 'newId' | 'logs' | 'thread' | 'folderThread'>): Promise<PullLog | undefined> {
  if (folderThread.kind === 'other') {
    if (policy?.pullWindow === undefined) return undefined;
    const owner = remote<PullsService>(folderThread.services.pulls, ['add']);
    return recordPulls({ store: (times) => owner.add(times), everyMs: HAND_OVER_EVERY_MS, logs });
  }
  const { driver } = opened;
  const isNeeded = policy?.pullWindow !== undefined;
  try {
    // Once for the process.
    if (thread.kind !== 'other') await (isNeeded ? beginRecording(driver, Date.now()) : endRecording(driver));
  } catch (error) {
    // A full disk must not keep a node from starting. Retention deletes nothing for lack of pulls until the start of recording is stored.
    logs.logger.warn({ err: error }, 'the start of the recording of pulls could not be stored');
  }
  if (!isNeeded) return undefined;
  const pulls = recordPulls({ store: (times) => storePulls(driver, newId(), times), everyMs: FLUSH_EVERY_MS, logs });
  const others = folderThread.kind === 'owner' ? folderThread.others : [];
  for (const { services } of others) offer<PullsService>(services.pulls, { add: (times) => pulls.add(times) });
  return pulls;
}

export interface PullLog {
  readonly pulled: (repo: RepositoryName, reference: Reference) => void;
  /** Adds what another thread's log has stored here. */
  readonly add: (times: Uint8Array) => Promise<void>;
  readonly flush: () => Promise<void>;
  readonly close: () => Promise<void>;
}

interface RecordingPorts extends Pick<ShapePorts, 'logs'> {
  readonly store: (times: Uint8Array) => Promise<void>;
  readonly everyMs: number;
}

function recordPulls({ store, everyMs, logs }: RecordingPorts): PullLog {
  const recorder = new PullRecorder({ store, now: Date.now });
  const flush = async (): Promise<void> => {
    try {
      await recorder.flush();
    } catch (error) {
      logs.logger.warn({ err: error }, 'pulls could not be recorded; this will be retried');
    }
  };
  const stop = repeat(everyMs, flush);
  return {
    pulled: (repo, reference) => recorder.pulled(repo, reference.kind === 'tag' ? reference.tag : reference.digest),
    add: (times) => recorder.add(times),
    flush,
    close: async () => {
      stop();
      await flush();
    },
  };
}
