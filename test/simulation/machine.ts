import type { Repeat } from '../../src/registry/renewed-lease.ts';
import type { Owner, Scheduler } from './scheduler.ts';

/** One process: it has a clock, may hang, and loses its pending continuations when it is killed. */
export class Machine implements Owner {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly #skew: number;
  #dead = false;
  #hangsUntil = 0;
  readonly #whenDead: (() => void)[] = [];
  /** Removes the listeners that abortable sleeps have registered on their signals. */
  readonly #detach = new Set<() => void>();

  /** @param skew how far the clock is ahead, in milliseconds */
  constructor(name: string, scheduler: Scheduler, skew: number) {
    this.name = name;
    this.scheduler = scheduler;
    this.#skew = skew;
  }

  get isDead(): boolean {
    return this.#dead;
  }

  get hangsUntil(): number {
    return this.#hangsUntil;
  }

  /** SIGKILL: requests in flight may still arrive, but their answers are lost. */
  kill(): void {
    this.#dead = true;
    for (const tell of this.#whenDead.splice(0)) tell();
    // A signal may outlive this world, and its listeners would keep all of it in memory.
    for (const detach of this.#detach) detach();
    this.#detach.clear();
  }

  /** SIGSTOP and, later, SIGCONT. */
  hang(milliseconds: number): void {
    const until = this.scheduler.now + milliseconds;
    this.#hangsUntil = until;
    this.scheduler.after(milliseconds, () => {
      if (this.#hangsUntil === until) this.scheduler.release(this);
    });
  }

  get isHanging(): boolean {
    return this.#hangsUntil > this.scheduler.now;
  }

  wake(): void {
    this.#hangsUntil = 0;
    this.scheduler.release(this, true);
  }

  onDeath(tell: () => void): void {
    if (this.#dead) tell();
    else this.#whenDead.push(tell);
  }

  readonly now = (): number => Math.floor(this.scheduler.now) + this.#skew;

  readonly sleep = (milliseconds: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const end = (): void => {
        cancel();
        detach();
        this.#detach.delete(detach);
        resolve();
      };
      const detach = (): void => signal?.removeEventListener('abort', end);
      const cancel = this.scheduler.after(milliseconds, end, this);
      if (signal === undefined) return;
      signal.addEventListener('abort', end);
      this.#detach.add(detach);
    });

  readonly repeat: Repeat = (milliseconds, work) => {
    let cancel = () => {};
    const next = (): void => {
      cancel = this.scheduler.after(
        milliseconds,
        () => {
          next();
          void work();
        },
        this,
      );
    };
    next();
    return () => cancel();
  };
}
