import { type Quota, RESOURCES, type Resource } from '../access/rules/quota.ts';
import type { RepositoryUsage } from '../journal/state.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Answer } from '../projection/projection.ts';

type Amounts = Record<Resource, number>;

/** What a write may add. The repository itself, which it may create, is always counted. */
export interface Cost {
  readonly bytes: number;
  readonly tags: number;
  readonly slots: number;
}

/** Why a write is refused. */
export interface Excess {
  readonly quota: Pick<Quota, 'name'>;
  readonly resource: Resource;
  readonly used: number;
  /** What the write would add. */
  readonly added: number;
  readonly allowed: number;
}

/** What one write may add. Afterwards the caller releases it, or finishes it if the write has not been counted yet. */
export interface HeldRoom {
  readonly held: Cost;
  /**
   * Changes the reserved amounts.
   * @returns the excess, if a quota has no room; then nothing has changed. An exceeded quota refuses only amounts that increase
   */
  want(wanted: Cost): Answer<Excess | undefined>;
  /** Marks the write as finished. It is counted twice from when the ledger includes it until the reservation is released. */
  finish(): Answer<void>;
  release(): Answer<void>;
}

/** A quota, and the usage of all matching repositories. */
interface Entry {
  readonly quota: Quota;
  readonly used: Amounts;
}

interface Account {
  /** undefined until it has been counted. */
  usage: RepositoryUsage | undefined;
  /** The reservations of writes in progress. */
  readonly reserved: { bytes: number; tags: number; slots: number };
  /** Number of reservations that are not released. */
  open: number;
  /** Unreleased reservations whose writes are finished. */
  readonly finished: Set<Reservation>;
  entries: readonly Entry[];
}

const NOTHING: Cost = { bytes: 0, tags: 0, slots: 0 };

/**
 * The usage of all repositories that match a quota, in memory. It can be rebuilt from the logs at any time. Each write first reserves
 * what it may add, so that concurrent writes do not exceed a quota together. Writes never wait for each other.
 */
export class Ledger {
  #entries: readonly Entry[] = [];
  readonly #accounts = new Map<RepositoryName, Account>();

  /** Replaces the quotas. Keeps the counts of repositories that still match a quota. */
  use(quotas: readonly Quota[]): void {
    this.#entries = quotas.map((quota) => ({ quota, used: { bytes: 0, repositories: 0, tags: 0, slots: 0 } }));
    for (const [repo, account] of this.#accounts) {
      account.entries = this.#matching(repo);
      if (account.entries.length === 0) this.#accounts.delete(repo);
      add(account.entries, amountsOf(account));
    }
  }

  /** Whether a quota matches the repository. */
  limits(repo: RepositoryName): boolean {
    return this.#entries.some(({ quota }) => quota.matches(repo));
  }

  /** Whether a matching quota limits this resource. */
  limitsResource(repo: RepositoryName, resource: Resource): boolean {
    return this.#entries.some(({ quota }) => quota.allowed[resource] !== undefined && quota.matches(repo));
  }

  /** Records the usage of a repository. Counts may arrive in any order: the one of the newest slot wins. */
  count(repo: RepositoryName, usage: RepositoryUsage): void {
    const account = this.#account(repo);
    if (account === undefined || (account.usage?.seq ?? 0) > usage.seq) return;
    change(account, () => {
      account.usage = usage;
    });
    this.#drop(repo, account);
  }

  /** The last counted usage of a repository; undefined if it has not been counted yet. */
  counted(repo: RepositoryName): RepositoryUsage | undefined {
    return this.#accounts.get(repo)?.usage;
  }

  /** Reservations of finished writes. A count that begins now includes these writes, so they can be released after it. */
  finished(repo: RepositoryName): readonly Reservation[] {
    return [...(this.#accounts.get(repo)?.finished ?? [])];
  }

  /** The existing repositories that have been counted. */
  *existing(): Iterable<RepositoryName> {
    for (const [repo, { usage }] of this.#accounts) if (usage?.exists === true) yield repo;
  }

  reserve(repo: RepositoryName): Reservation {
    const account = this.#account(repo) ?? newAccount([]);
    return new Reservation(account, () => this.#drop(repo, account));
  }

  /** The usage of each quota, including reservations. */
  get used(): readonly { readonly quota: Quota; readonly used: Readonly<Amounts> }[] {
    return this.#entries;
  }

  #account(repo: RepositoryName): Account | undefined {
    const known = this.#accounts.get(repo);
    if (known !== undefined) return known;
    const entries = this.#matching(repo);
    if (entries.length === 0) return undefined;
    const account = newAccount(entries);
    this.#accounts.set(repo, account);
    return account;
  }

  #matching(repo: RepositoryName): readonly Entry[] {
    return this.#entries.filter(({ quota }) => quota.matches(repo));
  }

  /** Clients choose the names, so a repository without a log is forgotten once no write to it is in progress. */
  #drop(repo: RepositoryName, account: Account): void {
    const hasLog = account.usage !== undefined && account.usage.seq > 0;
    if (!hasLog && account.open === 0 && this.#accounts.get(repo) === account) this.#accounts.delete(repo);
  }
}

/** A reservation in this thread's ledger. */
export class Reservation implements HeldRoom {
  readonly #account: Account;
  readonly #released: () => void;
  #held: Cost = NOTHING;
  #isOpen = false;
  #isReleased = false;

  constructor(account: Account, released: () => void) {
    this.#account = account;
    this.#released = released;
  }

  get held(): Cost {
    return this.#held;
  }

  want(wanted: Cost): Excess | undefined {
    const account = this.#account;
    const before = amountsOf(account);
    const held = this.#held;
    const wasOpen = this.#isOpen;
    this.#take(wanted, true);
    const added = difference(amountsOf(account), before);
    const excess = excessOf(account.entries, added);
    if (excess === undefined) {
      add(account.entries, added);
      return undefined;
    }
    this.#take(held, wasOpen);
    return excess;
  }

  finish(): void {
    if (!this.#isReleased) this.#account.finished.add(this);
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#account.finished.delete(this);
    change(this.#account, () => this.#take(NOTHING, false));
    this.#released();
  }

  #take(wanted: Cost, isOpen: boolean): void {
    const { reserved } = this.#account;
    for (const resource of ['bytes', 'tags', 'slots'] as const)
      reserved[resource] += wanted[resource] - this.#held[resource];
    this.#account.open += Number(isOpen) - Number(this.#isOpen);
    this.#held = wanted;
    this.#isOpen = isOpen;
  }
}

function newAccount(entries: readonly Entry[]): Account {
  return { usage: undefined, reserved: { bytes: 0, tags: 0, slots: 0 }, open: 0, finished: new Set(), entries };
}

/** Changes an account, and adjusts the usage of its quotas. */
function change(account: Account, work: () => void): void {
  const before = amountsOf(account);
  work();
  add(account.entries, difference(amountsOf(account), before));
}

/** A repository's usage plus its reservations. A repository that does not exist uses nothing, although its log is kept. */
function amountsOf({ usage, reserved, open }: Account): Amounts {
  const existing = usage?.exists === true ? usage : undefined;
  return {
    bytes: (existing?.bytes ?? 0) + reserved.bytes,
    repositories: existing !== undefined || open > 0 ? 1 : 0,
    tags: (existing?.tags ?? 0) + reserved.tags,
    slots: (existing?.seq ?? 0) + reserved.slots,
  };
}

function difference(after: Amounts, before: Amounts): Amounts {
  return {
    bytes: after.bytes - before.bytes,
    repositories: after.repositories - before.repositories,
    tags: after.tags - before.tags,
    slots: after.slots - before.slots,
  };
}

function add(entries: readonly Entry[], amounts: Amounts): void {
  for (const { used } of entries) for (const resource of RESOURCES) used[resource] += amounts[resource];
}

function excessOf(entries: readonly Entry[], added: Amounts): Excess | undefined {
  for (const { quota, used } of entries) {
    for (const resource of RESOURCES) {
      const allowed = quota.allowed[resource];
      if (allowed === undefined || added[resource] <= 0 || used[resource] + added[resource] <= allowed) continue;
      return { quota, resource, used: used[resource], added: added[resource], allowed };
    }
  }
  return undefined;
}
