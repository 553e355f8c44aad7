import type { SlotHash } from '../../journal/events.ts';
import { logBroken, READ_AHEAD, readSlot, slotsAfter } from '../../journal/log.ts';
import type { RepositoryName } from '../../oci/names.ts';
import { slotKey } from '../../storage/paths.ts';
import { healKey, metaKey } from './keys.ts';
import { ignoreLost, isMalformed } from './malformed.ts';
import { existsAfter } from './operations.ts';
import type { RedisProjectionPorts } from './ports.ts';
import { type Lease, Rebuilder, type RebuilderPorts } from './rebuild.ts';
import { countFrom, hashFrom, listFrom } from './replies.ts';
import { SCRIPTS } from './scripts.ts';
import type { SlotApplier, SlotPosition } from './slots.ts';

/** The lease by which one node heals a repository at a time; longer than an attempt takes between renewals. */
const LEASE_MS = 5_000;
/** A rebuild that takes longer since its inspection starts again, in seconds. The longest log folds in less. */
const MARK_S = 6 * 3600;
/** Slots applied before the lease is renewed; a view that is more than MAX_APPLIED behind is rebuilt. */
const RENEWED_AFTER = 100;
const MAX_APPLIED = 1_000;
const ATTEMPTS = 30;

/** Intervals, doubling, at which an announced slot is looked up until the intent is dropped (milliseconds). */
const INTENT = { shortest: 2_000, longest: 60_000, forgottenAfter: 15 * 60_000 } as const;

/** A repository's meta, and the server that it is on. Empty strings for absent fields. */
interface Inspected {
  readonly server: string;
  readonly gen: string;
  readonly seq: string;
  readonly hash: SlotHash;
  readonly exists: boolean;
  readonly intent: number;
  /** When the intent was announced, and when to look up the slot. */
  readonly since: number;
  readonly due: string;
  readonly cursor: string;
  /** Whether all of the view has this version's layout. */
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

/** Verifies views against the log, and brings stale or lost ones up to date (DESIGN 6, freshness). */
export class Healer {
  readonly #ports: HealerPorts;
  readonly #rebuilder: Rebuilder;
  readonly #healing = new Map<RepositoryName, Promise<'healed' | 'busy'>>();

  constructor(ports: HealerPorts) {
    this.#ports = ports;
    this.#rebuilder = new Rebuilder(ports);
  }

  /**
   * `busy`: another node heals it.
   * @param malformed why the view cannot be used: it is rebuilt without being verified
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

  /** Discards a repository's shared keys in Redis, as if Redis had lost them, because another program wrote to them. */
  async reset(repo: RepositoryName, malformed: Error): Promise<void> {
    this.#ports.observer.malformed(repo, malformed);
    await this.#ports.redis.evaluate(SCRIPTS.reset, [metaKey(this.#ports.store, repo)], []);
  }

  async #heal(repo: RepositoryName, mustRebuild: boolean): Promise<'healed' | 'busy'> {
    const token = this.#ports.newId();
    let applied = 0;
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const result = await this.#attempt(
          repo,
          { token, milliseconds: LEASE_MS, attempt },
          !mustRebuild && applied < MAX_APPLIED,
        );
        if (result === 'busy') return 'busy';
        applied += result.applied;
        if (result.outcome === 'again') continue;
        this.#ports.observer.healed(applied > 0 && result.outcome === 'verified' ? 'caught up' : result.outcome);
        return 'healed';
      }
    } finally {
      // A lease that cannot be released expires. If an attempt failed, its error is thrown.
      await this.#ports.redis.evaluate(SCRIPTS.endHeal, this.#keys(repo), [token]).catch(ignoreLost);
    }
    // The view advances faster than it can be verified, so other nodes keep it up to date.
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

  /** @param mayApply false: the view is rebuilt */
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
    // Part of a slot was applied that is not in the log.
    if (applied === 0 && seen.cursor !== '') return rebuild(applied);
    return { outcome: (await this.#own(repo, seen, at)) ? 'verified' : 'again', applied };
  }

  /** Whether the view's slot is in the log. */
  async #isOfThisLog(repo: RepositoryName, { seq, hash }: Inspected): Promise<boolean> {
    if (seq === '0') return true;
    return (await readSlot(this.#ports.driver, repo, Number(seq)))?.hash === hash;
  }

  async #own(repo: RepositoryName, { server, intent, since, due }: Inspected, at: SlotPosition): Promise<boolean> {
    const args = [server, at.seq, at.hash, ...this.#nextLook(intent > at.seq, since, due)];
    const isOurs = (await this.#ports.redis.evaluate(SCRIPTS.own, [metaKey(this.#ports.store, repo)], args)) === 1;
    if (isOurs) this.#ports.seen.set(repo, at.seq);
    return isOurs;
  }

  /**
   * The writer that announced a slot may still create it, however long that takes, so the slot is looked up repeatedly.
   * @returns `due` as it was inspected, and the next one. Empty: there is no intent, and the intent is dropped
   */
  #nextLook(isOpen: boolean, since: number, due: string): readonly [string, string] {
    const now = this.#ports.now();
    const age = now - since;
    if (!isOpen) return ['', ''];
    if (age > INTENT.forgottenAfter) return [due, ''];
    return [due, String(now + Math.min(Math.max(age, INTENT.shortest), INTENT.longest))];
  }
}
