import { type Quota, RESOURCES, type Resource } from '../access/rules/quota.ts';
import type { RepositoryUsage } from '../journal/state.ts';
import type { RepositoryName } from '../oci/names.ts';

type Amounts = Record<Resource, number>;

/** What a write would add, if it is not refused. That it may create the repository is counted in any case. */
export interface Wanted {
  readonly bytes: number;
  readonly tags: number;
  readonly slots: number;
}

/** Why a write is refused. */
export interface Excess {
  readonly quota: Quota;
  readonly resource: Resource;
  readonly used: number;
  /** What the write would add. */
  readonly added: number;
  readonly allowed: number;
}

/** A quota, and what all repositories that match it use. */
interface Entry {
  readonly quota: Quota;
  readonly used: Amounts;
}

interface Account {
  /** undefined: not counted yet. */
  usage: RepositoryUsage | undefined;
  /** What writes in progress may add. */
  readonly reserved: { bytes: number; tags: number; slots: number };
  /** Reservations that are not released. */
  open: number;
  /** Those of them whose writes are done. */
  readonly finished: Set<Reservation>;
  entries: readonly Entry[];
}

const NOTHING: Wanted = { bytes: 0, tags: 0, slots: 0 };

/**
 * What the repositories use that match a quota, in memory. It can be rebuilt from the logs at any time. A write reserves what it may
 * add before it is decided, so that writes at the same time do not exceed a quota together. Nobody waits for anybody.
 */
export class Ledger {
  #entries: readonly Entry[] = [];
  readonly #accounts = new Map<RepositoryName, Account>();

  /** Takes other quotas. What is known about repositories is kept as far as a quota matches them. */
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

  /** Whether a quota that matches the repository limits this. */
  limitsResource(repo: RepositoryName, resource: Resource): boolean {
    return this.#entries.some(({ quota }) => quota.allowed[resource] !== undefined && quota.matches(repo));
  }

  /** Enters what a repository uses. Counts may come in any order: the one at the newest slot holds. */
  count(repo: RepositoryName, usage: RepositoryUsage): void {
    const account = this.#account(repo);
    if (account === undefined || (account.usage?.seq ?? 0) > usage.seq) return;
    change(account, () => {
      account.usage = usage;
    });
    this.#drop(repo, account);
  }

  /** What was counted of a repository; undefined if it was not counted yet. */
  counted(repo: RepositoryName): RepositoryUsage | undefined {
    return this.#accounts.get(repo)?.usage;
  }

  /** Reservations of writes that are done: a count that begins now includes them, and they can be released with it. */
  finished(repo: RepositoryName): readonly Reservation[] {
    return [...(this.#accounts.get(repo)?.finished ?? [])];
  }

  /** The repositories that were counted and exist. */
  *existing(): Iterable<RepositoryName> {
    for (const [repo, { usage }] of this.#accounts) if (usage?.exists === true) yield repo;
  }

  reserve(repo: RepositoryName): Reservation {
    const account = this.#account(repo) ?? newAccount([]);
    return new Reservation(account, () => this.#drop(repo, account));
  }

  /** What is used of each quota, with what writes in progress may add. */
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

  /** Clients choose names: one that has no log is forgotten as soon as nothing is written to it. */
  #drop(repo: RepositoryName, account: Account): void {
    const hasLog = account.usage !== undefined && account.usage.seq > 0;
    if (!hasLog && account.open === 0 && this.#accounts.get(repo) === account) this.#accounts.delete(repo);
  }
}

/** What one write may add. The caller releases it, or finishes it if the write is not counted yet. */
export class Reservation {
  readonly #account: Account;
  readonly #released: () => void;
  #held: Wanted = NOTHING;
  #isOpen = false;
  #isReleased = false;

  constructor(account: Account, released: () => void) {
    this.#account = account;
    this.#released = released;
  }

  get held(): Wanted {
    return this.#held;
  }

  /**
   * Reserves this, instead of what it has reserved until now.
   * @returns why that is too much, and then nothing has changed; a quota that is exceeded already refuses only what adds to it
   */
  want(wanted: Wanted): Excess | undefined {
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

  /** The write is done. It is counted twice from the moment when the ledger has it until this is released. */
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

  #take(wanted: Wanted, isOpen: boolean): void {
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

/** Changes an account, and the quotas that match it by as much. */
function change(account: Account, work: () => void): void {
  const before = amountsOf(account);
  work();
  add(account.entries, difference(amountsOf(account), before));
}

/** What a repository uses or may soon use. One that does not exist uses nothing, though its log is kept. */
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
