// The contract of every runner of background jobs.
import { afterAll, describe, expect, test } from 'bun:test';
import type { Job, Kind, PeriodicKind } from '../../src/jobs/job.ts';
import type { JobBoard, JobPolicy, JobQueue, JobRun, RunJob } from '../../src/jobs/queue.ts';
import type { RepositoryName } from '../../src/oci/names.ts';
import { eventually } from '../support/eventually.ts';
import { QUICK, QUICK_POLICIES } from '../support/jobs.ts';

export interface OpenedJobs {
  readonly queue: JobQueue & JobBoard;
  /** Takes no more jobs, aborts the running ones, and waits for them, bounded. */
  stop(): Promise<void>;
}

export interface JobsUnderTest {
  readonly run: RunJob;
  readonly policies: Readonly<Record<Kind, JobPolicy>>;
  readonly ended: (run: JobRun) => void;
  /** Milliseconds. */
  readonly closeWithin: number;
}

const CLOSE_WITHIN_MS = 1_000;

export function snapshotOf(repo: string): Job & { readonly kind: 'snapshot' } {
  return { kind: 'snapshot', repo: repo as RepositoryName };
}

function nameOf(job: Job): string {
  return job.kind === 'snapshot' ? job.repo : job.kind;
}

/** @param open a fresh queue with a runner for its jobs */
export function jobsContract(name: string, open: (under: JobsUnderTest) => Promise<OpenedJobs>): void {
  describe(`jobs ${name}`, () => {
    const opened: OpenedJobs[] = [];
    afterAll(async () => {
      for (const each of opened) await each.stop();
    });

    /** The jobs of a test are identified by their repository's name. */
    async function start(work: RunJob = async () => {}) {
      const begun: string[] = [];
      const runs: JobRun[] = [];
      const jobs = await open({
        run: (job, signal, tell) => {
          begun.push(nameOf(job));
          return work(job, signal, tell);
        },
        policies: QUICK_POLICIES,
        ended: (run) => runs.push(run),
        closeWithin: CLOSE_WITHIN_MS,
      });
      opened.push(jobs);
      const standing = async (kind: Kind) => {
        const all = await jobs.queue.counts();
        const found = all.find((each) => each.kind === kind);
        if (found === undefined) throw new Error(`${kind} is not counted`);
        const { waiting, active, delayed, failed } = found;
        return { waiting, active, delayed, failed, oldestSeconds: found.oldestSeconds };
      };
      return { ...jobs, begun, runs, standing };
    }

    /** Jobs that wait for `pass` run until `open` is called. */
    function gate() {
      const { promise, resolve } = Promise.withResolvers<void>();
      return { pass: promise, open: resolve };
    }

    test('run on request, each with its own payload', async () => {
      const { queue, begun, runs } = await start();
      for (const repo of ['a', 'b/c']) expect(await queue.enqueue(snapshotOf(repo))).toBe(true);
      expect(await queue.enqueue({ kind: 'expire-uploads' })).toBe(true);
      await eventually(() => expect(runs).toHaveLength(3));
      expect(begun.sort()).toEqual(['a', 'b/c', 'expire-uploads']);
      expect(runs.map(({ key, outcome, attempt, isDead }) => ({ key, outcome, attempt, isDead }))).toContainEqual({
        key: 'snapshot:b/c',
        outcome: 'done',
        attempt: 1,
        isDead: false,
      });
    });

    test('run after their delay and not before', async () => {
      const { queue, begun, runs, standing } = await start();
      await queue.enqueue(snapshotOf('much later'), { delay: 3_600_000 });
      expect(await standing('snapshot')).toMatchObject({ waiting: 0, delayed: 1 });
      const startedAt = performance.now();
      await queue.enqueue(snapshotOf('later'), { delay: 600 });
      await eventually(() => expect(runs).toHaveLength(1));
      expect(performance.now() - startedAt).toBeGreaterThan(590);
      expect(begun).toEqual(['later']);
    });

    test('wait once for each key, and run as many at once as the kind allows', async () => {
      const held = gate();
      let [now, most] = [0, 0];
      const { queue, begun, runs, standing } = await start(async () => {
        most = Math.max(most, ++now);
        await held.pass;
        now--;
      });
      for (const repo of ['a', 'b']) await queue.enqueue(snapshotOf(repo));
      await eventually(() => expect(begun).toHaveLength(2));
      for (let time = 0; time < 3; time++) {
        for (const repo of ['c', 'd']) expect(await queue.enqueue(snapshotOf(repo))).toBe(true);
      }
      expect(await queue.enqueue(snapshotOf('e'), { key: 'snapshot:c' })).toBe(true);
      expect(await standing('snapshot')).toMatchObject({ waiting: 2, active: 2, delayed: 0, failed: 0 });
      held.open();
      await eventually(() => expect(runs).toHaveLength(4));
      expect([begun.sort(), most]).toEqual([['a', 'b', 'c', 'd'], 2]);
      // The key can be used again.
      await queue.enqueue(snapshotOf('c'));
      await eventually(() => expect(runs).toHaveLength(5));
      // The run is reported before the job leaves the queue.
      await eventually(async () => {
        const none = { waiting: 0, active: 0, delayed: 0, failed: 0, oldestSeconds: 0 };
        expect(await standing('snapshot')).toEqual(none);
      });
    });

    test('that are requested while one of their key runs, run once more after it, never beside it', async () => {
      const held = gate();
      let [now, most] = [0, 0];
      const { queue, begun, runs } = await start(async () => {
        most = Math.max(most, ++now);
        await held.pass;
        now--;
      });
      await queue.enqueue(snapshotOf('a'));
      await eventually(() => expect(begun).toHaveLength(1));
      for (let time = 0; time < 3; time++) expect(await queue.enqueue(snapshotOf('a'))).toBe(true);
      held.open();
      await eventually(() => expect(runs).toHaveLength(2));
      expect(most).toBe(1);
    });

    test('that fail are retried with growing delays, then become dead letters, which can be run again', async () => {
      const at: number[] = [];
      let isRepaired = false;
      const { queue, runs, standing } = await start(async () => {
        at.push(performance.now());
        if (!isRepaired) throw new Error('no such luck');
      });
      await queue.enqueue(snapshotOf('unlucky'));
      await eventually(() => expect(runs).toHaveLength(3));
      expect(runs.map(({ outcome, attempt, isDead }) => [outcome, attempt, isDead])).toEqual([
        ['failed', 1, false],
        ['failed', 2, false],
        ['failed', 3, true],
      ]);
      expect(String(runs[0]?.error)).toContain('no such luck');
      const [first = 0, second = 0, third = 0] = at;
      expect(second - first).toBeGreaterThan(QUICK.backoff * 0.9);
      expect(third - second).toBeGreaterThan(QUICK.backoff * 1.9);
      await eventually(async () =>
        expect(await standing('snapshot')).toMatchObject({ delayed: 0, active: 0, failed: 1 }),
      );
      const letters = await queue.deadLetters(10);
      expect(letters).toHaveLength(1);
      const [letter] = letters;
      if (letter === undefined) return expect.unreachable();
      expect(letter).toMatchObject({
        kind: 'snapshot',
        payload: snapshotOf('unlucky'),
        attempts: 3,
        reason: 'no such luck',
      });
      expect(Math.abs(Date.now() - letter.failedAt)).toBeLessThan(60_000);
      isRepaired = true;
      expect(await queue.retry('snapshot:no-such-id')).toBe(false);
      expect(await queue.retry('nonsense')).toBe(false);
      expect(await queue.retry(letter.id)).toBe(true);
      await eventually(() => expect(runs).toHaveLength(4));
      expect(runs[3]).toMatchObject({ outcome: 'done', attempt: 1 });
      expect(await queue.deadLetters(10)).toEqual([]);
    });

    test('on a schedule run repeatedly; a new interval replaces the old one', async () => {
      const { queue, begun } = await start();
      const kind: PeriodicKind = 'expire-uploads';
      await queue.schedule(kind, 200);
      await eventually(() => expect(begun.length).toBeGreaterThanOrEqual(3));
      await queue.schedule(kind, 3_600_000);
      // One that was due already may still begin, on a busy machine a little later.
      await eventually(async () => {
        const { length } = begun;
        await Bun.sleep(1_000);
        expect(begun).toHaveLength(length);
      });
    });

    test('that are due are as old as the time they have waited', async () => {
      const held = gate();
      const { queue, begun, runs, standing } = await start(() => held.pass);
      for (const repo of ['a', 'b', 'c']) await queue.enqueue(snapshotOf(repo));
      await queue.enqueue(snapshotOf('d'), { delay: 3_600_000 });
      await eventually(() => expect(begun).toHaveLength(2));
      await Bun.sleep(300);
      const { oldestSeconds, ...counts } = await standing('snapshot');
      expect(counts).toEqual({ waiting: 1, active: 2, delayed: 1, failed: 0 });
      expect(oldestSeconds).toBeGreaterThan(0.29);
      expect(oldestSeconds).toBeLessThan(30);
      held.open();
      await eventually(() => expect(runs).toHaveLength(3));
    });

    test('report their progress, and the latest report counts; a waiting job shows the progress of the one before it', async () => {
      const reported = gate();
      const held = gate();
      const { queue, begun, runs } = await start(async (_, __, tell) => {
        tell?.({ done: 1 });
        await reported.pass;
        for (const done of [2, 3]) tell?.({ done });
        await held.pass;
      });
      const [a, b, idle] = [snapshotOf('a'), snapshotOf('b'), { kind: 'expire-uploads' } as const];
      await queue.enqueue(a);
      await eventually(async () => expect(await queue.progress(a)).toEqual({ done: 1 }));
      reported.open();
      for (const job of [a, b]) await eventually(async () => expect(await queue.progress(job)).toEqual({ done: 3 }));
      expect([begun, await queue.progress(idle)]).toEqual([['a'], undefined]);
      held.open();
      await eventually(() => expect(runs).toHaveLength(1));
      await eventually(async () => expect(await queue.progress(a)).toBeUndefined());
    });

    test('are aborted and waited for when the runner closes', async () => {
      const ended: string[] = [];
      const { queue, begun, runs, stop } = await start(async (_, signal) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        await Bun.sleep(100);
        ended.push('tidied up');
        throw signal.reason;
      });
      await queue.enqueue(snapshotOf('a'));
      await eventually(() => expect(begun).toHaveLength(1));
      await stop();
      expect([ended, runs.map(({ outcome }) => outcome)]).toEqual([['tidied up'], ['stopped']]);
    });

    test('that do not stop are abandoned after a deadline', async () => {
      const held = gate();
      const { queue, begun, stop } = await start(() => held.pass);
      await queue.enqueue(snapshotOf('stubborn'));
      await eventually(() => expect(begun).toHaveLength(1));
      const startedAt = performance.now();
      await stop();
      expect(performance.now() - startedAt).toBeGreaterThan(CLOSE_WITHIN_MS * 0.9);
      expect(performance.now() - startedAt).toBeLessThan(CLOSE_WITHIN_MS + 10_000);
      held.open();
    });
  });
}
