import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Release, Semaphore } from './semaphore.ts';

/** Lets every promise that can settle do so. */
const settle = (): Promise<void> => Bun.sleep(0);

type Step =
  | { readonly kind: 'acquire' }
  /** Of those that hold a permit, or that wait: which one, counted round. */
  | { readonly kind: 'release' | 'leave'; readonly which: number };

const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constant<Step>({ kind: 'acquire' }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), which: fc.nat() }) },
  ),
  { maxLength: 60 },
);

/** Each caller by its number, as a plain list would serve them. */
class Model {
  readonly holding: number[] = [];
  readonly waiting: number[] = [];
  readonly left: number[] = [];
  readonly #permits: number;

  constructor(permits: number) {
    this.#permits = permits;
  }

  acquire(caller: number): void {
    this.waiting.push(caller);
    this.serve();
  }

  serve(): void {
    while (this.holding.length < this.#permits && this.waiting.length > 0) {
      this.holding.push(...this.waiting.splice(0, 1));
    }
  }
}

test('permits go to the waiters in the order of their arrival; who leaves is passed over; none is lost or doubled', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 5 }), steps, async (permits, script) => {
      const semaphore = new Semaphore(permits);
      const model = new Model(permits);
      const releases = new Map<number, Release>();
      const leaving = new Map<number, AbortController>();
      const granted: number[] = [];
      const left: number[] = [];
      for (const [caller, step] of script.entries()) {
        if (step.kind === 'acquire') {
          const controller = new AbortController();
          leaving.set(caller, controller);
          semaphore.acquire(controller.signal).then(
            (release) => {
              releases.set(caller, release);
              granted.push(caller);
            },
            (reason: unknown) => {
              expect(reason).toBe(caller);
              left.push(caller);
            },
          );
          model.acquire(caller);
        } else {
          const list = step.kind === 'release' ? model.holding : model.waiting;
          const [chosen] = list.length === 0 ? [] : list.splice(step.which % list.length, 1);
          if (chosen !== undefined && step.kind === 'release') {
            const release = releases.get(chosen);
            releases.delete(chosen);
            // Twice: the second time must do nothing.
            release?.();
            release?.();
            model.serve();
          } else if (chosen !== undefined) {
            leaving.get(chosen)?.abort(chosen);
            model.left.push(chosen);
          }
        }
        await settle();
        expect([...releases.keys()].sort((a, b) => a - b)).toEqual([...model.holding].sort((a, b) => a - b));
        expect(left).toEqual(model.left);
        expect({ waiting: semaphore.waiting, free: semaphore.free }).toEqual({
          waiting: model.waiting.length,
          free: permits - model.holding.length,
        });
      }
      // Granted in the order of arrival: a caller's number is its arrival.
      expect(granted).toEqual([...granted].sort((a, b) => a - b));
    }),
    { numRuns: 200 },
  );
});

test('a caller that leaves in the very moment in which it is granted a permit has it', async () => {
  const semaphore = new Semaphore(1);
  const first = await semaphore.acquire();
  const leaving = new AbortController();
  const second = semaphore.acquire(leaving.signal);
  first();
  leaving.abort(new Error('left'));
  (await second)();
  expect({ free: semaphore.free, waiting: semaphore.waiting }).toEqual({ free: 1, waiting: 0 });
});

test('a deadline ends a wait with its reason, also one that has passed before', async () => {
  const semaphore = new Semaphore(1);
  expect(semaphore.tryAcquire()).toBeDefined();
  expect(semaphore.tryAcquire()).toBeUndefined();
  await expect(semaphore.acquire(AbortSignal.timeout(5))).rejects.toMatchObject({ name: 'TimeoutError' });
  await expect(semaphore.acquire(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
  expect(semaphore.waiting).toBe(0);
});
