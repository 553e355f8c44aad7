export interface LooksPorts<Sign> {
  /** Changes when others have written. Read just before a look begins. */
  readonly sign: () => Sign;
  readonly look: () => Promise<void>;
}

/** Looks for what others wrote. One look runs at a time, and callers share it if it finds all that they need. */
export class Looks<Sign> {
  readonly #ports: LooksPorts<Sign>;
  #running: { readonly sign: Sign; readonly done: Promise<void> } | undefined;
  #next: Promise<void> | undefined;

  constructor(ports: LooksPorts<Sign>) {
    this.#ports = ports;
  }

  /** Resolves after a look that began after this call. */
  after(): Promise<void> {
    if (this.#next !== undefined) return this.#next;
    const before = this.#running?.done ?? Promise.resolve();
    // A failure of the previous look reaches its own callers.
    this.#next = before.then(this.#begin, this.#begin);
    return this.#next;
  }

  /**
   * Resolves after a look that began after this call, or one that began at this sign: it finds everything that led to the sign, and
   * the caller does not need more.
   * @param sign as it is now
   */
  since(sign: Sign): Promise<void> {
    return this.#running?.sign === sign ? this.#running.done : this.after();
  }

  readonly #begin = async (): Promise<void> => {
    this.#next = undefined;
    const running = { sign: this.#ports.sign(), done: this.#ports.look() };
    this.#running = running;
    try {
      await running.done;
    } finally {
      if (this.#running === running) this.#running = undefined;
    }
  };
}
