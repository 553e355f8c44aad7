import { describe, expect, test } from 'bun:test';
import { NotesHead } from './notes/head.ts';
import { type Doorbell, Waiters } from './waiters.ts';

const NEVER = new AbortController().signal;

interface Setup {
  readonly waiters: Waiters;
  readonly ring: () => void;
  /** Looks for notes. */
  readonly looks: () => number;
  readonly isListening: () => boolean;
  readonly failures: unknown[];
  head: number;
  isDown: boolean;
}

function setUp(): Setup {
  let [ring, looks]: [(() => void) | undefined, number] = [undefined, 0];
  const failures: unknown[] = [];
  const doorbell: Doorbell = {
    listen: (heard) => {
      ring = heard;
      return () => {
        ring = undefined;
      };
    },
  };
  const notes = {
    head: 0,
    advance: async () => {
      looks++;
      if (setup.isDown) throw new Error('the store is down');
      notes.head = setup.head;
    },
  };
  const setup: Setup = {
    waiters: new Waiters(doorbell, notes, (error) => failures.push(error)),
    ring: () => ring?.(),
    looks: () => looks,
    isListening: () => ring !== undefined,
    ...{ failures, head: 0, isDown: false },
  };
  return setup;
}

const later = (milliseconds: number) => performance.now() + milliseconds;

describe('waiting readers', () => {
  test('are woken by the note that they wait for, all by one look', async () => {
    const setup = setUp();
    const woken: number[] = [];
    const waits = [1, 1, 2].map((note, index) =>
      setup.waiters.wait(note, { until: later(60_000), signal: NEVER }).then(() => woken.push(index)),
    );
    expect([setup.waiters.count, setup.isListening(), setup.looks()]).toEqual([3, true, 0]);
    setup.head = 1;
    setup.ring();
    await Promise.all(waits.slice(0, 2));
    expect([woken, setup.looks(), setup.waiters.count]).toEqual([[0, 1], 1, 1]);
    setup.head = 2;
    setup.ring();
    await Promise.all(waits);
    expect([setup.waiters.count, setup.isListening()]).toEqual([0, false]);
    // A note that is known already is not waited for.
    await setup.waiters.wait(2, { until: later(60_000), signal: NEVER });
    expect(setup.looks()).toBe(2);
  });

  test('end at the deadline, and when they are aborted', async () => {
    const setup = setUp();
    await setup.waiters.wait(1, { until: later(20), signal: NEVER });
    const abort = new AbortController();
    const waiting = setup.waiters.wait(1, { until: later(60_000), signal: abort.signal });
    abort.abort();
    await waiting;
    await setup.waiters.wait(1, { until: later(60_000), signal: abort.signal });
    expect([setup.waiters.count, setup.isListening(), setup.looks()]).toEqual([0, false, 0]);
  });

  test('go on waiting while notes cannot be looked for, which is reported once', async () => {
    const setup = setUp();
    const waiting = setup.waiters.wait(1, { until: later(60_000), signal: NEVER });
    setup.isDown = true;
    for (let ring = 0; ring < 3; ring++) {
      setup.ring();
      await Bun.sleep(1);
    }
    expect([setup.failures.length, setup.waiters.count]).toEqual([1, 1]);
    Object.assign(setup, { isDown: false, head: 1 });
    setup.ring();
    await waiting;
  });

  test('are refused beyond the most that a thread lets wait', async () => {
    const { waiters } = setUp();
    const abort = new AbortController();
    const options = { until: later(60_000), signal: abort.signal };
    const waits = Array.from({ length: 10_000 }, () => waiters.wait(1, options));
    await expect(waiters.wait(1, options)).rejects.toMatchObject({ kind: 'overloaded' });
    abort.abort();
    await Promise.all(waits);
    expect(waiters.count).toBe(0);
  });
});

test('the word that threads share is unknown until it is raised, and rings in every thread', async () => {
  const memory = NotesHead.allocate();
  const [one, other] = [new NotesHead(memory), new NotesHead(memory)];
  expect(one.seq).toBeUndefined();
  const rung = Promise.withResolvers<number | undefined>();
  const stop = other.listen(() => rung.resolve(other.seq));
  one.raise(7);
  expect(await rung.promise).toBe(7);
  stop();
});
