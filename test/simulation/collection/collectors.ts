// Background work as src/worker-store.ts and src/wiring/embedded.ts wire it.
import { CollectionFailed } from '../../../src/collection/collect.ts';
import { collectionJob } from '../../../src/collection/job.ts';
import type { CollectionReport } from '../../../src/collection/report.ts';
import { handleWith } from '../../../src/jobs/handlers.ts';
import { foldForSnapshot } from '../../../src/jobs/snapshot.ts';
import { noCrash } from '../../../src/storage/crash-points.ts';
import { NoAnswer } from '../../../src/storage/s3/failures.ts';
import { memorySpill } from '../../support/collection.ts';
import type { SimulatedNode } from '../node.ts';
import type { TimedOutcome } from '../world.ts';
import type { CollectionWorld, CollectorPorts } from './world.ts';

export interface CollectOptions {
  /** By default as scheduled, which leaves garbage that is not worth an epoch. */
  readonly request?: string;
  /** The node also serves requests, and collects from the folds in its memory. */
  readonly isResident: boolean;
}

/** One run, by one node. */
export async function collectAt(
  world: CollectionWorld,
  node: SimulatedNode,
  { request, isResident }: CollectOptions,
): Promise<TimedOutcome<void>> {
  const { setting, bug } = world;
  const { machine, projection, fold, newId } = node;
  const { now, sleep } = machine;
  const { grace, uploadExpiry } = setting;
  const ports: CollectorPorts = {
    driver: node.driver,
    resident: (repo) => (isResident ? fold.kept(repo) : undefined),
  };
  const collect = collectionJob({
    ...ports,
    ...bug.collector?.(ports, world),
    ...{ projection, newId, now, sleep, grace, uploadExpiry },
    sessions: node.sessions,
    openSpill: memorySpill,
    yieldToRequests: async () => {},
    reach: noCrash,
    node: machine.name,
    rate: 0,
    deleteBatch: 2,
    deleteDurably: true,
    epochSize: 3,
    enabled: true,
    onReport: (report: CollectionReport) => {
      world.truth.spared += report.spared;
    },
  });
  return await world.request(`collect #${world.nextNumber()}`, () => run(world, node, request, collect), node);
}

async function run(
  world: CollectionWorld,
  { driver, sessions, machine }: SimulatedNode,
  request: string | undefined,
  collect: ReturnType<typeof collectionJob>,
): Promise<void> {
  const { signal } = new AbortController();
  const handle = handleWith({
    ...{ driver, sessions, collect, now: machine.now },
    fold: (repo) => foldForSnapshot(driver, repo),
    reapMultiparts: undefined,
    retain: async () => {},
    lookAhead: async () => {},
    sweepNotes: async () => {},
    uploadExpiry: world.setting.uploadExpiry,
    enqueue: async () => true,
  });
  try {
    await handle({ kind: 'expire-uploads' }, signal);
    await handle({ kind: 'collect', ...(request === undefined ? {} : { request }) }, signal);
  } catch (error) {
    throw reasonOf(error);
  }
}

/** The reason for a failed run. A store that did not answer is not a defect, wherever that was noticed. */
function reasonOf(error: unknown): unknown {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (cause instanceof NoAnswer) return cause;
  return error instanceof CollectionFailed ? error.cause : error;
}
