import { RegistryError } from '../oci/errors.ts';
import { type Session, type SessionLease, uploadBusy } from './sessions.ts';

/** `deposed`: another holder has the session. `unknown`: the session no longer exists. */
export type ClaimAnswer = 'held' | 'deposed' | 'unknown';

/** One holder's claim to a session, stored where all nodes see it. A claim that is not extended expires. */
export interface Claim {
  /** Replaces the session and extends the claim. */
  save(next: Session): Promise<ClaimAnswer>;
  extend(): Promise<ClaimAnswer>;
  end(): Promise<ClaimAnswer>;
  release(): Promise<void>;
}

/** Runs the work at the given interval until the returned function is called. */
export type Repeat = (milliseconds: number, work: () => Promise<void>) => () => void;

export interface RenewedLeasePorts {
  readonly repeat: Repeat;
  /** The interval between renewals, in milliseconds: a third of the time after which a claim expires. */
  readonly renewal: number;
  /** Called when a claim could not be extended or released. It then expires. */
  readonly failed: (error: unknown) => void;
  /** Called once, when the request releases the lease. */
  readonly released?: () => void;
}

/** A lease that is renewed while its request runs. Operations on the claim run one after another. */
export class RenewedLease implements SessionLease {
  readonly session: Session;
  readonly takenOver: boolean;
  readonly #claim: Claim;
  readonly #ports: RenewedLeasePorts;
  readonly #stop: () => void;
  #answer: ClaimAnswer = 'held';
  #ended = false;
  #last: Promise<unknown> = Promise.resolve();

  constructor(session: Session, takenOver: boolean, claim: Claim, ports: RenewedLeasePorts) {
    this.session = session;
    this.takenOver = takenOver;
    this.#claim = claim;
    this.#ports = ports;
    this.#stop = ports.repeat(ports.renewal, () => this.#renew());
  }

  async save(next: Session): Promise<void> {
    await this.#inTurn(async () => this.#expectHeld(await this.#claim.save(next)));
  }

  async end(): Promise<void> {
    this.#stop();
    await this.#inTurn(async () => {
      this.#expectHeld(await this.#claim.end());
      this.#ended = true;
    });
  }

  async release(): Promise<void> {
    this.#stop();
    await this.#last.catch(ignoreReported);
    // A claim that cannot be released is logged and expires, so it does not fail a request that is otherwise done.
    if (!this.#ended && this.#answer === 'held') await this.#claim.release().catch(this.#ports.failed);
    this.#ports.released?.();
  }

  async #renew(): Promise<void> {
    try {
      await this.#inTurn(async () => {
        this.#answer = await this.#claim.extend();
      });
    } catch (error) {
      // The next renewal may succeed. If the claim was lost, the next save or end fails.
      if (this.#answer === 'held') this.#ports.failed(error);
    }
    if (this.#answer !== 'held') this.#stop();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#last.catch(ignoreReported).then(async () => {
      if (this.#ended) return;
      this.#expectHeld(this.#answer);
      await work();
    });
    this.#last = turn;
    return turn;
  }

  #expectHeld(answer: ClaimAnswer): void {
    this.#answer = answer;
    if (answer === 'deposed') throw uploadBusy();
    if (answer === 'unknown') throw new RegistryError('upload-unknown', 'this upload has ended: start a new one');
  }
}

/** The previous operation's failure has already reached its own caller: the request that saved or ended, or `failed` for a renewal. */
function ignoreReported(): void {}
