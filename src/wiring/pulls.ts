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
} from '../retention/pulls/pull-store.ts';
import type { PlanPorts } from '../retention/retain.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import { repeat } from './basics.ts';
import type { ShapePorts } from './node-ports.ts';

const FLUSH_EVERY_MS = 5 * 60_000;

/** What was pulled when, as far as it matters to the policy; put together on the way. */
export async function loadPulls(
  driver: ObjectStore,
  policy: RetentionPolicy,
  newId: () => string,
): Promise<PlanPorts['pulls']> {
  const window = policy.pullWindow;
  if (window === undefined) return nobodyAsks;
  const now = Date.now();
  const known = await readPulls(driver, now);
  await compactPulls(driver, known, { now, window, newId });
  return pulledAt(known);
}

/** The same without changing anything. */
export async function lookAtPulls(driver: StoreReader, policy: RetentionPolicy): Promise<PlanPorts['pulls']> {
  return policy.pullWindow === undefined ? nobodyAsks : pulledAt(await readPulls(driver, Date.now()));
}

const nobodyAsks: PlanPorts['pulls'] = () => () => 0;

function pulledAt({ times, began }: KnownPulls): PlanPorts['pulls'] {
  return (repo) => (tag, digest) => Math.max(began, times.last(repo, tag, digest));
}

/**
 * Records what clients pull, where a rule asks for it.
 * @returns undefined where none does
 */
export async function openPulls({
  opened,
  policy,
  newId,
  logs,
}: Pick<ShapePorts, 'opened' | 'policy' | 'newId' | 'logs'>): Promise<PullLog | undefined> {
  const { driver } = opened;
  const isAsked = policy?.pullWindow !== undefined;
  try {
    if (isAsked) await beginRecording(driver, Date.now());
    else await endRecording(driver);
  } catch (error) {
    // A full disk must not keep a node from starting. As long as nothing is said to have begun, no pull counts as missing.
    logs.logger.warn({ err: error }, 'since when pulls have been recorded could not be written');
  }
  if (!isAsked) return undefined;
  const recorder = new PullRecorder({ driver, newId, now: Date.now });
  const flush = async (): Promise<void> => {
    try {
      await recorder.flush();
    } catch (error) {
      logs.logger.warn({ err: error }, 'what was pulled could not be recorded; it is tried again');
    }
  };
  const stop = repeat(FLUSH_EVERY_MS, flush);
  return {
    pulled: (repo, reference) => recorder.pulled(repo, reference.kind === 'tag' ? reference.tag : reference.digest),
    flush,
    close: async () => {
      stop();
      await flush();
    },
  };
}

export interface PullLog {
  readonly pulled: (repo: RepositoryName, reference: Reference) => void;
  readonly flush: () => Promise<void>;
  readonly close: () => Promise<void>;
}
