/** An attempt to deliver that can be ended early. Most attempts are not, and two AbortSignals would be a tenth of their cost. */
export class Attempt {
  #reason: unknown;
  #onEnd: ((reason: unknown) => void) | undefined;
  #hasEnded = false;

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Ends it once. @param reason with which its work is rejected */
  end(reason: unknown): void {
    if (this.#hasEnded) return;
    [this.#hasEnded, this.#reason] = [true, reason];
    this.#onEnd?.(reason);
  }

  /** @throws the reason if it has ended */
  throwIfEnded(): void {
    if (this.#hasEnded) throw this.#reason;
  }

  /**
   * The result of a part of its work, of which there is one at a time.
   * @param onEnd called if the attempt ends first, to end the work
   * @throws as the work, or the reason if the attempt has ended before
   */
  async during<T>(work: () => Promise<T>, onEnd: (reason: unknown) => void): Promise<T> {
    this.throwIfEnded();
    this.#onEnd = onEnd;
    try {
      return await work();
    } finally {
      this.#onEnd = undefined;
    }
  }

  /** The result of work that cannot be ended. @throws as `during` */
  async race<T>(work: Promise<T>): Promise<T> {
    const { promise: ended, reject } = Promise.withResolvers<never>();
    return await this.during(() => Promise.race([work, ended]), reject);
  }
}
