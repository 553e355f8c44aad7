import { describe, expect, test } from 'bun:test';
import { Runner, type Task } from './runner.ts';

interface Sleeper {
  readonly milliseconds: number;
  wake(): void;
}

/** A runner whose sleepers the test wakes. */
function open() {
  const sleepers: Sleeper[] = [];
  const failures: string[] = [];
  const runner = new Runner({
    sleep: (milliseconds, signal) =>
      new Promise((resolve) => {
        sleepers.push({ milliseconds, wake: resolve });
        signal.addEventListener('abort', () => resolve());
      }),
    failed: (task, error) => failures.push(`${task}: ${String(error)}`),
  });
  const wake = async (): Promise<void> => {
    for (const sleeper of sleepers.splice(0)) sleeper.wake();
    await turn();
  };
  return { runner, sleepers, failures, wake };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A job that counts its runs and ends each when it is told to. */
function counting(name = 'counting') {
  const ends: (() => void)[] = [];
  let runs = 0;
  const job: Task = {
    name,
    run: () => {
      runs++;
      return new Promise((resolve) => ends.push(resolve));
    },
  };
  const end = async (): Promise<void> => {
    for (const each of ends.splice(0)) each();
    await turn();
  };
  return { job, end, runs: () => runs };
}

describe('a schedule', () => {
  test('waits first, then runs repeatedly, never twice at once', async () => {
    const { runner, sleepers, wake } = open();
    const { job, end, runs } = counting();
    runner.schedule(job, 500);
    await turn();
    expect([runs(), sleepers.map(({ milliseconds }) => milliseconds)]).toEqual([0, [500]]);
    await wake();
    expect([runs(), sleepers.length]).toEqual([1, 0]);
    await end();
    expect(sleepers).toHaveLength(1);
    await wake();
    expect(runs()).toBe(2);
    await end();
    await runner.stop();
  });

  test('continues after a failure, which is reported', async () => {
    const { runner, failures, wake } = open();
    let runs = 0;
    const run = async (): Promise<void> => {
      runs++;
      throw new Error(`run ${runs}`);
    };
    runner.schedule({ name: 'failing', run }, 1);
    await turn();
    await wake();
    await wake();
    expect(failures).toEqual(['failing: Error: run 1', 'failing: Error: run 2']);
    await runner.stop();
  });
});

describe('a task without a caller', () => {
  test('runs at once; another of its name is not queued behind it', async () => {
    const { runner } = open();
    const [one, two] = [counting('one'), counting('two')];
    for (let time = 0; time < 3; time++) for (const { job } of [one, two]) runner.enqueue(job);
    await turn();
    expect([one.runs(), two.runs()]).toEqual([1, 1]);
    await one.end();
    runner.enqueue(one.job);
    await turn();
    expect([one.runs(), two.runs()]).toEqual([2, 1]);
    await one.end();
    await two.end();
    await runner.stop();
  });

  test('that fails, even synchronously, is reported and can be enqueued again', async () => {
    const { runner, failures } = open();
    const run = (): Promise<void> => {
      throw new Error('at once');
    };
    for (let time = 0; time < 2; time++) {
      runner.enqueue({ name: 'failing', run });
      await turn();
    }
    expect(failures).toEqual(['failing: Error: at once', 'failing: Error: at once']);
    await runner.stop();
  });
});

describe('stopping', () => {
  test('cancels every task, waits for those that run, and starts no more', async () => {
    const { runner } = open();
    const { job, end, runs } = counting();
    const signals: boolean[] = [];
    runner.schedule(job, 1);
    runner.enqueue(job);
    runner.enqueue({
      name: 'asking',
      run: async (signal) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        signals.push(signal.aborted);
      },
    });
    await turn();
    let stopped = false;
    const stopping = runner.stop().then(() => {
      stopped = true;
    });
    await turn();
    expect([stopped, signals]).toEqual([false, [true]]);
    await end();
    await stopping;
    runner.enqueue(job);
    await turn();
    expect(runs()).toBe(1);
  });
});
