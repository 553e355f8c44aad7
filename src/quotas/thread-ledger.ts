import type { Quota, Resource } from '../access/rules/quota.ts';
import type { RepositoryUsage } from '../journal/state.ts';
import type { RepositoryName } from '../oci/names.ts';
import { type Cost, type Excess, type HeldRoom, Ledger, type Reservation } from './ledger.ts';

/**
 * The ledger of the process, as the owner thread offers it to one other thread. So the threads of a process can no more exceed a quota
 * together than one thread can.
 */
export interface QuotaCalls {
  /**
   * As HeldRoom.want.
   * @param id of the reservation: a number of the thread's own; the first call makes the reservation
   */
  want(id: number, repo: RepositoryName, wanted: Cost): Promise<Excess | undefined>;
  /** As HeldRoom.finish. The owner counts the repository soon. */
  finish(id: number): Promise<void>;
  release(id: number): Promise<void>;
  /** The thread has written to a repository, and its slots are not reported by `used`. The owner counts the repository soon. */
  written(repo: RepositoryName): Promise<void>;
  /** Counts a repository up to its newest slot. */
  count(repo: RepositoryName): Promise<void>;
  /** The usage of a repository after a slot was applied to the thread's view. */
  used(repo: RepositoryName, usage: RepositoryUsage): Promise<void>;
  /** A write was refused. */
  refused(quota: string, resource: Resource): Promise<void>;
}

/** For `remote` in threads/calls.ts. */
export const QUOTA_CALLS = [
  ...(['want', 'finish', 'release', 'written', 'count', 'used', 'refused'] as const),
] satisfies readonly (keyof QuotaCalls)[];

export interface QuotaServicePorts {
  readonly ledger: Ledger;
  /** Counts the repository's current usage into the ledger. */
  readonly count: (repo: RepositoryName) => Promise<void>;
  /** Called after a write that the ledger may not include yet. */
  readonly written: (repo: RepositoryName) => void;
  readonly refused: (quota: string, resource: Resource) => void;
}

/** The owner's side. */
export class QuotaService implements QuotaCalls {
  readonly #ports: QuotaServicePorts;
  readonly #reservations = new Map<number, { readonly repo: RepositoryName; readonly reservation: Reservation }>();

  constructor(ports: QuotaServicePorts) {
    this.#ports = ports;
  }

  async want(id: number, repo: RepositoryName, wanted: Cost): Promise<Excess | undefined> {
    const reservation = this.#reservations.get(id)?.reservation ?? this.#ports.ledger.reserve(repo);
    this.#reservations.set(id, { repo, reservation });
    const excess = reservation.want(wanted);
    // The quota itself has functions, which cannot be sent.
    return excess && { ...excess, quota: { name: excess.quota.name } };
  }

  async finish(id: number): Promise<void> {
    const finished = this.#reservations.get(id);
    if (finished === undefined) return;
    this.#reservations.delete(id);
    finished.reservation.finish();
    // Last, so that the count releases this reservation too.
    this.#ports.written(finished.repo);
  }

  async release(id: number): Promise<void> {
    this.#reservations.get(id)?.reservation.release();
    this.#reservations.delete(id);
  }

  async written(repo: RepositoryName): Promise<void> {
    this.#ports.written(repo);
  }

  async count(repo: RepositoryName): Promise<void> {
    await this.#ports.count(repo);
  }

  async used(repo: RepositoryName, usage: RepositoryUsage): Promise<void> {
    this.#ports.ledger.count(repo, usage);
  }

  async refused(quota: string, resource: Resource): Promise<void> {
    this.#ports.refused(quota, resource);
  }
}

/** The ledger of a thread that is not the owner: it knows the quotas, and reserves at the owner. */
export class ThreadLedger {
  readonly #owner: QuotaCalls;
  /** Of the quotas alone; nothing is counted in it. */
  readonly #quotas = new Ledger();
  #last = 0;

  constructor(owner: QuotaCalls) {
    this.#owner = owner;
  }

  use(quotas: readonly Quota[]): void {
    this.#quotas.use(quotas);
  }

  limits(repo: RepositoryName): boolean {
    return this.#quotas.limits(repo);
  }

  limitsResource(repo: RepositoryName, resource: Resource): boolean {
    return this.#quotas.limitsResource(repo, resource);
  }

  reserve(repo: RepositoryName): HeldRoom {
    return new ThreadReservation(this.#owner, ++this.#last, repo);
  }
}

class ThreadReservation implements HeldRoom {
  readonly #owner: QuotaCalls;
  readonly #id: number;
  readonly #repo: RepositoryName;
  #held: Cost = { bytes: 0, tags: 0, slots: 0 };

  constructor(owner: QuotaCalls, id: number, repo: RepositoryName) {
    this.#owner = owner;
    this.#id = id;
    this.#repo = repo;
  }

  get held(): Cost {
    return this.#held;
  }

  async want(wanted: Cost): Promise<Excess | undefined> {
    const excess = await this.#owner.want(this.#id, this.#repo, wanted);
    if (excess === undefined) this.#held = wanted;
    return excess;
  }

  finish(): Promise<void> {
    return this.#owner.finish(this.#id);
  }

  release(): Promise<void> {
    return this.#owner.release(this.#id);
  }
}
