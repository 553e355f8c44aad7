import type { SlotHash } from '../../journal/events.ts';
import { logBroken, READ_AHEAD, readSlot, slotsAfter } from '../../journal/log.ts';
import type { RepositoryName } from '../../oci/names.ts';
import { slotKey } from '../../storage/paths.ts';
import { healKey, metaKey } from './keys.ts';
import { isMalformed } from './malformed.ts';
import { existsAfter } from './operations.ts';
import type { RedisProjectionPorts } from './ports.ts';
import { type Lease, Rebuilder, type RebuilderPorts } from './rebuild.ts';
import { countFrom, hashFrom, listFrom } from './replies.ts';
import { SCRIPTS } from './scripts.ts';
import type { SlotApplier, SlotPosition } from './slots.ts';

/** By which one node heals a repository at a time; longer than one attempt takes between two renewals. */
const LEASE_MS = 5_000;
/** A rebuild that takes longer from its look at the view on begins anew, in seconds: the longest log is folded by then. */
const MARK_S = 6 * 3600;
/** Slots that are applied one by one before the lease is renewed; a view that is farther behind is made anew. */
const RENEWED_AFTER = 100;
const MAX_APPLIED = 1_000;
const ATTEMPTS = 30;

/** When an intent is looked for again: waits that double, until it is forgotten (milliseconds). */
const INTENT = { shortest: 2_000, longest: 60_000, forgottenAfter: 15 * 60_000 } as const;

/** A repository's meta as a healer found it, and on which server. Empty strings where there is none. */
interface Inspected {
  readonly server: string;
  readonly gen: string;
  readonly seq: string;
  readonly hash: SlotHash;
  readonly exists: boolean;
  readonly intent: number;
  /** When the intent was announced, and when it is to be looked for. */
  readonly since: number;
  readonly due: string;
  readonly cursor: string;
  /** Whether this version's scripts made all of it. */
  readonly isOfLayout: boolean;
}

type Outcome = 'verified' | 'caught up' | 'rebuilt' | 'again';

interface Attempted {
  readonly outcome: Outcome;
  /** Slots. */
  readonly applied: number;
}

export interface HealerPorts extends RebuilderPorts, Pick<RedisProjectionPorts, 'now'> {
  readonly observer: Pick<RedisProjectionPorts['observer'], 'healed' | 'malformed'>;
  readonly applier: SlotApplier;
}

/** Compares views with the log, and brings those that are behind or lost to its newest state (DESIGN 6, freshness). */
export class Healer {
  readonly #ports: HealerPorts;
  readonly #rebuilder: Rebuilder;
  readonly #healing = new Map<RepositoryName, Promise<'healed' | 'busy'>>();

  constructor(ports: HealerPorts) {
    this.#ports = ports;
    this.#rebuilder = new Rebuilder(ports);
  }

  /**
   * `busy`: another node is at it.
   * @param malformed what the view was found to be: it is made anew, whatever it says of itself
   * @throws RedisGone; RegistryError `log-broken`; whatever storage throws
   */
  heal(repo: RepositoryName, malformed?: Error): Promise<'healed' | 'busy'> {
    const begun = this.#healing.get(repo);
    if (begun !== undefined) return begun;
    if (malformed !== undefined) this.#ports.observer.malformed(repo, malformed);
    const healing = this.#heal(repo, malformed !== undefined).finally(() => this.#healing.delete(repo));
    this.#healing.set(repo, healing);
    return healing;
  }

  /** Throws away what every node shares of a repository in Redis, as if Redis had lost it: somebody else wrote to it. */
  async reset(repo: RepositoryName, malformed: Error): Promise<void> {
    this.#ports.observer.malformed(repo, malformed);
    await this.#ports.redis.evaluate(SCRIPTS.reset, [metaKey(this.#ports.store, repo)], []);
  }

  async #heal(repo: RepositoryName, anew: boolean): Promise<'healed' | 'busy'> {
    const token = this.#ports.newId();
    let applied = 0;
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const result = await this.#attempt(
          repo,
          { token, milliseconds: LEASE_MS, attempt },
          !anew && applied < MAX_APPLIED,
        );
        if (result === 'busy') return 'busy';
        applied += result.applied;
        if (result.outcome === 'again') continue;
        this.#ports.observer.healed(applied > 0 && result.outcome === 'verified' ? 'caught up' : result.outcome);
        return 'healed';
      }
    } finally {
      // Where Redis is gone by now, the lease ends by itself; the error that matters is on its way already.
      await this.#ports.redis.evaluate(SCRIPTS.endHeal, this.#keys(repo), [token]).catch(() => undefined);
    }
    // It moves faster than it can be verified: somebody else keeps it up to date.
    return 'busy';
  }

  #keys(repo: RepositoryName): readonly string[] {
    return [metaKey(this.#ports.store, repo), healKey(this.#ports.store, repo)];
  }

  /** @throws MalformedView */
  async #inspect(repo: RepositoryName, { token, attempt }: Lease): Promise<Inspected | 'busy'> {
    const args = [token, LEASE_MS, attempt, MARK_S];
    const reply = await this.#ports.redis.evaluate(SCRIPTS.inspect, this.#keys(repo), args);
    const words = listFrom(reply).map((each) => (each === null ? '' : String(each)));
    if (words[0] === 'busy') return 'busy';
    const [, server = '', gen = '', seq = '', hash = '', exists, intent, since, due = '', cursor = '', layout] = words;
    if (gen !== '') [countFrom(seq), hashFrom(hash)];
    const numbers = { intent: countFrom(intent || '0'), since: countFrom(since || '0') };
    return { server, gen, seq, hash, exists: exists === '1', ...numbers, due, cursor, isOfLayout: layout === '1' };
  }

  /** @param mayApply otherwise the view is made anew */
  async #attempt(repo: RepositoryName, lease: Lease, mayApply: boolean): Promise<Attempted | 'busy'> {
    try {
      const inspected = await this.#inspect(repo, lease);
      return inspected === 'busy' ? 'busy' : await this.#compare(repo, inspected, lease, mayApply);
    } catch (error) {
      if (!isMalformed(error)) throw error;
      await this.reset(repo, error);
      return { outcome: 'again', applied: 0 };
    }
  }

  async #compare(repo: RepositoryName, seen: Inspected, lease: Lease, mayApply: boolean): Promise<Attempted> {
    const rebuild = async (applied: number): Promise<Attempted> => {
      const done = await this.#rebuilder.rebuild(repo, seen, lease);
      return { outcome: done ? 'rebuilt' : 'again', applied };
    };
    if (!mayApply || seen.gen === '' || !seen.isOfLayout || !(await this.#isOfThisLog(repo, seen))) return rebuild(0);
    let at: SlotPosition = { seq: Number(seen.seq), hash: seen.hash, exists: seen.exists };
    let applied = 0;
    for await (const { batch, hash } of slotsAfter(this.#ports.driver, repo, at.seq, READ_AHEAD)) {
      if (batch.prev !== at.hash) {
        throw logBroken(repo, batch.seq, `it follows ${batch.prev}, but slot ${at.seq} is ${at.hash}`);
      }
      await this.#ports.driver.confirm(slotKey(repo, batch.seq));
      const outcome = await this.#ports.applier.apply(repo, at, batch, hash, '');
      if (outcome === 'alien') return rebuild(applied);
      if (outcome !== 'done') return { outcome: 'again', applied };
      at = { seq: batch.seq, hash, exists: existsAfter(batch, at.exists) };
      applied++;
      if (applied === RENEWED_AFTER) return { outcome: 'again', applied };
    }
    // Half of a slot that the log does not have.
    if (applied === 0 && seen.cursor !== '') return rebuild(applied);
    return { outcome: (await this.#own(repo, seen, at)) ? 'verified' : 'again', applied };
  }

  /** Whether the slot that the view says it is at is in the log. */
  async #isOfThisLog(repo: RepositoryName, { seq, hash }: Inspected): Promise<boolean> {
    if (seq === '0') return true;
    return (await readSlot(this.#ports.driver, repo, Number(seq)))?.hash === hash;
  }

  async #own(repo: RepositoryName, { server, intent, since, due }: Inspected, at: SlotPosition): Promise<boolean> {
    const args = [server, at.seq, at.hash, ...this.#nextLook(intent > at.seq, since, due)];
    const isOurs = (await this.#ports.redis.evaluate(SCRIPTS.own, [metaKey(this.#ports.store, repo)], args)) === 1;
    if (isOurs) this.#ports.seen.is(repo, at.seq);
    return isOurs;
  }

  /**
   * Whoever announced the slot may still be writing it, however long that takes: it is looked for again and again.
   * @returns the time of this look, and of the next one; empty where there is no intent, and never
   */
  #nextLook(isOpen: boolean, since: number, due: string): readonly [string, string] {
    const now = this.#ports.now();
    const age = now - since;
    if (!isOpen) return ['', ''];
    if (age > INTENT.forgottenAfter) return [due, ''];
    return [due, String(now + Math.min(Math.max(age, INTENT.shortest), INTENT.longest))];
  }
}
