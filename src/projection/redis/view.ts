import type { Needs } from '../../journal/command.ts';
import type { Batch, SlotHash } from '../../journal/events.ts';
import type { ViewHead, WritableView } from '../../journal/writer.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { Catalog } from './catalog.ts';
import { RedisGone, type Reply } from './commands.ts';
import { PartialFacts, type Query, queriesOf, TAGGED_PAGE } from './facts.ts';
import type { Healer } from './healer.ts';
import { metaKey } from './keys.ts';
import { isMalformed } from './malformed.ts';
import { onlyRemoves } from './operations.ts';
import type { RedisProjectionPorts } from './ports.ts';
import { countFrom, hashFrom, listFrom } from './replies.ts';
import { SCRIPTS } from './scripts.ts';
import type { SeenSlots } from './seen-slots.ts';
import type { SlotApplier, SlotPosition } from './slots.ts';

/** Names that one script looks up. */
const ASKS = 1_000;
/** A write whose view does not come up to date by then is answered with 503. */
const DEADLINE_MS = 10_000;
const RETRY_MS = 50;
/** An announced slot is looked for after so long. */
const INTENT_MS = 2_000;
/** Nodes that wait for their turn ask again after so long for each that goes first, and never seldom than that. */
const TURN = { each: 5, longest: 50, patience: 5_000 } as const;

/** What ask.lua says of a repository. */
export interface ViewAnswer extends SlotPosition {
  readonly partial: boolean;
  readonly answers: readonly Reply[];
}

export interface ViewPorts extends Pick<RedisProjectionPorts, 'redis' | 'store' | 'now' | 'sleep' | 'observer'> {
  readonly healer: Healer;
  readonly catalog: Pick<Catalog, 'expect'>;
  readonly applier: SlotApplier;
  readonly seen: SeenSlots;
  /** This process, among all nodes. */
  readonly nodeId: string;
}

/** @returns undefined when the view must be verified first. @throws RedisGone; what `isMalformed` */
export async function ask(
  { redis, store, now, seen }: Pick<ViewPorts, 'redis' | 'store' | 'now' | 'seen'>,
  repo: RepositoryName,
  asks: readonly Query[],
): Promise<ViewAnswer | undefined> {
  const reply = await redis.evaluate(SCRIPTS.ask, [metaKey(store, repo)], [now(), ...asks.flat()]);
  const [state, slot, hash, exists, partial, ...answers] = listFrom(reply);
  if (state !== 'ok') return undefined;
  const seq = countFrom(slot);
  if (seen.isBelow(repo, seq)) return undefined;
  seen.saw(repo, seq);
  return { seq, hash: hashFrom(hash), exists: exists === '1', partial: partial === 1, answers };
}

/** One repository as the log's writer in this process sees it: decisions are made on what Redis says at one slot. */
export class RedisView implements WritableView {
  readonly #repo: RepositoryName;
  readonly #ports: ViewPorts;
  #head: SlotPosition | undefined;
  #hasTurn = false;

  constructor(repo: RepositoryName, ports: ViewPorts) {
    this.#repo = repo;
    this.#ports = ports;
  }

  /** @throws RedisGone; RegistryError `unavailable` */
  async head(needs: readonly Needs[]): Promise<ViewHead> {
    const asks = queriesOf(needs);
    const deadline = this.#ports.now() + DEADLINE_MS;
    while (this.#ports.now() < deadline) {
      try {
        const asked = await this.#askAll(asks);
        if (asked === 'again') continue;
        if (asked !== undefined) {
          const { seq, hash, exists, answers } = asked;
          const facts = new PartialFacts(exists, asks, answers);
          this.#head = { seq, hash, exists };
          return { seq, hash, facts };
        }
        await this.#heal();
      } catch (error) {
        if (!isMalformed(error)) throw error;
        await this.#heal(error);
      }
    }
    throw unconfirmed();
  }

  /** All answers at one slot, however many there are. */
  async #askAll(asks: readonly Query[]): Promise<ViewAnswer | 'again' | undefined> {
    const first = await ask(this.#ports, this.#repo, asks.slice(0, ASKS));
    if (first === undefined || first.partial) return undefined;
    const answers = [...first.answers];
    const more = async (some: readonly Query[]): Promise<readonly Reply[] | undefined> => {
      const asked = await ask(this.#ports, this.#repo, some);
      return asked?.hash === first.hash && !asked.partial ? asked.answers : undefined;
    };
    for (let from = ASKS; from < asks.length; from += ASKS) {
      const next = await more(asks.slice(from, from + ASKS));
      if (next === undefined) return 'again';
      answers.push(...next);
    }
    for (const [index, [kind, digest]] of asks.entries()) {
      const tags = kind === 'o' ? [...listFrom(answers[index])] : [];
      while (tags.length > 0 && tags.length % TAGGED_PAGE === 0) {
        const next = await more([['a', `${digest} ${String(tags[tags.length - 1])}`]]);
        if (next === undefined) return 'again';
        const page = listFrom(next[0]);
        if (page.length === 0) break;
        tags.push(...page);
      }
      if (kind === 'o') answers[index] = tags;
    }
    return { ...first, answers };
  }

  /** @returns false when the view moved, or it was somebody else's turn: decide again */
  async announce(batch: Batch): Promise<boolean> {
    const head = this.#head;
    if (head?.seq !== batch.seq - 1) throw new Error('a slot is announced that does not follow the head');
    const now = this.#ports.now();
    const args = [head.seq, head.hash, batch.seq, now, now + INTENT_MS, this.#ports.nodeId];
    try {
      const announced = this.#evaluate(onlyRemoves(batch) ? 'announceOnFull' : 'announce', args);
      // Where there was no log, a reader may believe the catalog that there is none, and look no further.
      const expected = head.seq === 0 ? this.#ports.catalog.expect(this.#repo) : undefined;
      const [ahead] = await Promise.all([announced.then(Number), expected]);
      if (ahead === 0) this.#hasTurn = true;
      else if (ahead > 0) await this.#waitForTurn(ahead);
      return ahead === 0;
    } catch (error) {
      if (!isMalformed(error)) throw error;
      await this.#ports.healer.reset(this.#repo, error);
      return false;
    }
  }

  async #waitForTurn(position: number): Promise<void> {
    const { now, sleep, observer, nodeId } = this.#ports;
    const begin = now();
    for (let ahead = position; ahead > 0 && now() - begin < TURN.patience; ) {
      await sleep(Math.min(ahead * TURN.each, TURN.longest));
      ahead = Number(await this.#evaluate('waitTurn', [nodeId]));
      this.#hasTurn = ahead === 0;
    }
    observer.waitedForTurn(now() - begin);
  }

  /** To be called when nothing more is written: a turn that was not used ends. */
  async endTurn(): Promise<void> {
    if (!this.#hasTurn) return;
    this.#hasTurn = false;
    // A turn ends by itself after a second: that Redis is gone by now, or holds something else there, takes nothing from anybody.
    await this.#evaluate('endTurn', [this.#ports.nodeId]).catch(ignoreLost);
  }

  /** @throws RegistryError `unavailable` when Redis does not take it in time: the write shows up later */
  async apply(batch: Batch, hash: SlotHash): Promise<void> {
    const { applier, nodeId, now, sleep, seen } = this.#ports;
    const head = this.#head;
    if (head === undefined) throw new Error('a slot is applied before there was a head');
    const deadline = now() + DEADLINE_MS;
    for (;;) {
      try {
        const outcome = await applier.apply(this.#repo, head, batch, hash, nodeId);
        if (outcome === 'done' || outcome === 'ahead') {
          this.#hasTurn = outcome === 'ahead' && this.#hasTurn;
          seen.saw(this.#repo, batch.seq);
          return;
        }
        await this.#heal();
      } catch (error) {
        if (isMalformed(error)) await this.#heal(error);
        else if (!(error instanceof RedisGone)) throw error;
        if (now() + RETRY_MS >= deadline) throw unconfirmed(error);
        await sleep(RETRY_MS);
      }
      if (now() >= deadline) throw unconfirmed();
    }
  }

  /** Somebody else wrote the next slot: most often it is in the view already. */
  async catchUp(): Promise<void> {
    try {
      const asked = await ask(this.#ports, this.#repo, []);
      if (asked === undefined || asked.partial || asked.seq === this.#head?.seq) await this.#heal();
    } catch (error) {
      if (!isMalformed(error)) throw error;
      await this.#heal(error);
    }
  }

  /** While another node is at it, this one waits a little; the caller looks again. @param malformed what the view was found to be */
  async #heal(malformed?: Error): Promise<void> {
    const outcome = await this.#ports.healer.heal(this.#repo, malformed);
    if (outcome === 'busy') await this.#ports.sleep(RETRY_MS);
  }

  #evaluate(
    name: 'announce' | 'announceOnFull' | 'waitTurn' | 'endTurn',
    args: readonly (string | number)[],
  ): Promise<Reply> {
    return this.#ports.redis.evaluate(SCRIPTS[name], [metaKey(this.#ports.store, this.#repo)], args);
  }
}

function ignoreLost(error: unknown): void {
  if (!(error instanceof RedisGone) && !isMalformed(error)) throw error;
}

function unconfirmed(cause?: unknown): RegistryError {
  return new RegistryError('unavailable', 'the write was not confirmed in time: try again', undefined, cause);
}
