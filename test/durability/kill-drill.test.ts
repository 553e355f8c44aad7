// Kills real servers, at every named step and at random moments under load, and compares what the next one shows with the
// responses that clients got. DRILL_SEED=<text> repeats a run's choices: endings, requests, bytes. DRILL_FORM=long kills more often.
import { afterAll, expect, test } from 'bun:test';
import { CRASH_POINTS } from '../../src/storage/crash-points.ts';
import { attempt } from '../support/command.ts';
import { Random } from '../support/drill/random.ts';
import { cleanUp } from '../support/server.ts';
import { type LaneResult, runLane } from './drill/lane.ts';
import { LEAST, makePlan } from './drill/plan.ts';

/**
 * Folders that are used concurrently: one server starts while the other is under load. Every other one has a write-ahead log.
 */
const LANES = 2;
const DRILL_WITHIN_MS = 1_200_000;
const FSCK_WITHIN_MS = 300_000;

/** A folder of the drill has some ten thousand files. */
const CLEAN_UP_WITHIN_MS = 300_000;

afterAll(cleanUp, CLEAN_UP_WITHIN_MS);

test(
  'no SIGKILL loses an acknowledged write, undoes a delete, or leaves a tag without its manifest',
  async () => {
    const seed = process.env.DRILL_SEED ?? String(Date.now());
    console.log(`kill drill: DRILL_SEED=${seed} repeats it`);
    const begun = performance.now();
    const lanes = await runLanes(new Random(seed));
    const seconds = Math.round((performance.now() - begun) / 1000);

    const killed = killsOf(lanes);
    const total = [...killed.values()].reduce((sum, count) => sum + count, 0);
    const sum = (of: (lane: LaneResult) => number) => lanes.reduce((all, lane) => all + of(lane), 0);
    const acknowledged = sum(({ checked }) => checked.acknowledged);
    const resumable = sum(({ checked }) => checked.uploadsResumable);
    const snapshots = sum((lane) => lane.snapshots);
    console.log(
      [
        `kill drill: ${total} kills in ${seconds} s (${killed.get('moment')} at random moments)`,
        `${acknowledged} acknowledged writes checked in ${sum(({ checked }) => checked.names)} checks of names`,
        `${Math.round(sum(({ checked }) => checked.bytes) / 1e6)} MB compared`,
        `${resumable} uploads found resumable, ${sum(({ checked }) => checked.uploadsEnded)} ended ones found unknown`,
        `${sum(({ hit }) => hit)} objects affected by power cuts`,
        `${sum(({ checked }) => checked.walked.slots)} slots walked, ${snapshots} snapshots`,
      ].join('; '),
    );
    for (const point of CRASH_POINTS) expect(killed.get(point), point).toBeGreaterThanOrEqual(LEAST.atEachStep);
    expect(killed.get('moment')).toBeGreaterThanOrEqual(LEAST.atMoments);
    expect(total).toBeGreaterThanOrEqual(LEAST.inAll);
    expect(acknowledged).toBeGreaterThan(2_000);
    expect(resumable).toBeGreaterThan(100);
    expect(snapshots).toBeGreaterThan(0);
    expect(sum(({ hit }) => hit)).toBeGreaterThan(LEAST.affected);

    for (const { folder } of lanes) await checkFolder(folder);
  },
  DRILL_WITHIN_MS,
);

/** Waits for all lanes. @throws the first fault */
async function runLanes(random: Random): Promise<LaneResult[]> {
  const plan = makePlan(random);
  const fault = new AbortController();
  const running = Array.from({ length: LANES }, (_, lane) => {
    const endings = plan.filter((_, index) => index % LANES === lane);
    const result = runLane(String(lane), lane % 2 === 1, endings, random.child(`lane ${lane}`), fault.signal);
    return result.catch((error: unknown) => {
      fault.abort(error);
      throw error;
    });
  });
  const results = await Promise.allSettled(running);
  fault.signal.throwIfAborted();
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
}

function killsOf(lanes: readonly LaneResult[]): Map<string, number> {
  const all = new Map<string, number>();
  for (const { kills } of lanes) {
    for (const [ending, count] of kills) all.set(ending, (all.get(ending) ?? 0) + count);
  }
  return all;
}

/** The operator's check, including every digest. */
async function checkFolder(folder: string): Promise<void> {
  const { code, stdout, stderr } = await attempt(['node_modules/.bin/bun', 'src/cli/main.ts', 'fsck', '--scrub'], {
    env: { STORAGE_PATH: folder },
    timeoutMs: FSCK_WITHIN_MS,
  });
  expect({ code, output: code === 0 ? '' : stderr + new TextDecoder().decode(stdout) }).toEqual({
    code: 0,
    output: '',
  });
}
