import { RegistryError } from '../oci/errors.ts';
import { type Session, type SessionLease, uploadBusy } from './sessions.ts';

/** `deposed`: another holder has the session. `unknown`: nobody has it, it is gone. */
export type ClaimAnswer = 'held' | 'deposed' | 'unknown';

/** One holder's claim to a session, where all nodes see it. A claim that is not lengthened lapses. */
export interface Claim {
  /** Replaces the session and lengthens the claim. */
  save(next: Session): Promise<ClaimAnswer>;
  extend(): Promise<ClaimAnswer>;
  end(): Promise<ClaimAnswer>;
  release(): Promise<void>;
}

/** Does the work each so many milliseconds, until the answer is called. */
export type Repeat = (milliseconds: number, work: () => Promise<void>) => () => void;

export interface RenewedLeasePorts {
  readonly repeat: Repeat;
  /** A third of the time after which a claim lapses, in milliseconds. */
  readonly renewal: number;
  /** Hears of claims that could not be lengthened or given back: they lapse by themselves. */
  readonly failed: (error: unknown) => void;
  /** Called once, when the request lets go. */
  readonly released?: () => void;
}

/** A lease that is kept while its request runs. What it does to the claim happens one after the other. */
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
    // The request has its answer, whatever becomes of this.
    await this.#last.catch(() => {});
    if (!this.#ended && this.#answer === 'held') await this.#claim.release().catch(this.#ports.failed);
    this.#ports.released?.();
  }

  async #renew(): Promise<void> {
    try {
      await this.#inTurn(async () => {
        this.#answer = await this.#claim.extend();
      });
    } catch (error) {
      // The next time it may succeed; if it does not, whoever saves next hears that another has taken over.
      if (this.#answer === 'held') this.#ports.failed(error);
    }
    if (this.#answer !== 'held') this.#stop();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#last
      .catch(() => {})
      .then(async () => {
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
    if (answer === 'unknown') throw new RegistryError('upload-unknown', 'this upload ended meanwhile: begin it again');
  }
}
