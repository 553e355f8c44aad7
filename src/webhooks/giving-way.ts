/** Deliveries of all webhooks together that begin in a second while they give way. */
const PER_SECOND = 1_000;
/** Those of this many milliseconds begin together, which costs less than one by one. */
const TOGETHER_MS = 20;
/** A webhook whose oldest change has waited for this long does not give way, in milliseconds. */
const MAX_WAIT_MS = 30_000;

export interface GivingWayPorts {
  /** Whether clients need the processors. */
  readonly isBusy: () => boolean;
  /** Milliseconds, of a clock that is never set back. */
  readonly steadyNow: () => number;
  /** Resolves early, without an error, when the signal is aborted. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Lets the deliveries of all webhooks give way to the requests of clients: while the process is busy, few of them begin in a second.
 * A webhook falls behind by this for half a minute at most. Then its deliveries begin at once again, whatever the load is.
 */
export class GivingWay {
  readonly #ports: GivingWayPorts;
  /** The time up to which turns have been given. */
  #givenUpTo = Number.NEGATIVE_INFINITY;

  constructor(ports: GivingWayPorts) {
    this.#ports = ports;
  }

  /**
   * Resolves when it is the turn of these deliveries, or when the signal is aborted.
   * @param count how many begin together
   * @param waited how long the oldest of their changes has waited, in milliseconds
   */
  async turn(count: number, waited: number, signal: AbortSignal): Promise<void> {
    const { isBusy, steadyNow, sleep } = this.#ports;
    if (waited >= MAX_WAIT_MS || !isBusy()) return;
    const now = steadyNow();
    const at = Math.max(now, this.#givenUpTo);
    this.#givenUpTo = at + (1_000 * count) / PER_SECOND;
    if (at - now >= TOGETHER_MS) await sleep(at - now, signal);
  }
}
