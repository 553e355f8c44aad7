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
import { ignoreLost, isMalformed } from './malformed.ts';
import { onlyRemoves } from './operations.ts';
import type { RedisProjectionPorts } from './ports.ts';
import { countFrom, hashFrom, listFrom } from './replies.ts';
import { SCRIPTS } from './scripts.ts';
import type { SeenSlots } from './seen-slots.ts';
import type { SlotApplier, SlotPosition } from './slots.ts';

/** Queries per script call. */
const MAX_QUERIES = 1_000;
/** If the view is not up to date within this time, a write fails with 503. */
const DEADLINE_MS = 10_000;
const RETRY_MS = 50;
/** An announced slot is looked up after this time. */
const INTENT_MS = 2_000;
/** Nodes that wait for their turn poll: `each` for every node ahead, at most `longest` apart. */
const TURN = { each: 5, longest: 50, patience: 5_000 } as const;

/** The reply of ask.lua. */
export interface ViewAnswer extends SlotPosition {
  readonly partial: boolean;
  readonly answers: readonly Reply[];
}

export interface ViewPorts extends Pick<RedisProjectionPorts, 'redis' | 'store' | 'now' | 'sleep' | 'observer'> {
  readonly healer: Healer;
  readonly catalog: Pick<Catalog, 'expect'>;
  readonly applier: SlotApplier;
  readonly seen: SeenSlots;
  /** The id of this process among all nodes. */
  readonly nodeId: string;
}

/** @returns undefined if the view must be verified first. @throws RedisGone; errors that `isMalformed` accepts */
export async function ask(
  { redis, store, now, seen }: Pick<ViewPorts, 'redis' | 'store' | 'now' | 'seen'>,
  repo: RepositoryName,
  queries: readonly Query[],
): Promise<ViewAnswer | undefined> {
  const reply = await redis.evaluate(SCRIPTS.ask, [metaKey(store, repo)], [now(), ...queries.flat()]);
  const [state, slot, hash, exists, partial, ...answers] = listFrom(reply);
  if (state !== 'ok') return undefined;
  const seq = countFrom(slot);
  if (seen.isBelow(repo, seq)) return undefined;
  seen.advance(repo, seq);
  return { seq, hash: hashFrom(hash), exists: exists === '1', partial: partial === 1, answers };
}

/** A repository's view for the log writer of this process: commands are decided on facts that Redis has at one slot. */
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
    const queries = queriesOf(needs);
    const deadline = this.#ports.now() + DEADLINE_MS;
    while (this.#ports.now() < deadline) {
      try {
        const found = await this.#askAll(queries);
        if (found === 'again') continue;
        if (found !== undefined) {
          const { seq, hash, exists, answers } = found;
          const facts = new PartialFacts(exists, queries, answers);
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

  /** All answers at one slot, however many queries there are. */
  async #askAll(queries: readonly Query[]): Promise<ViewAnswer | 'again' | undefined> {
    const first = await ask(this.#ports, this.#repo, queries.slice(0, MAX_QUERIES));
    if (first === undefined || first.partial) return undefined;
    const answers = [...first.answers];
    const more = async (some: readonly Query[]): Promise<readonly Reply[] | undefined> => {
      const found = await ask(this.#ports, this.#repo, some);
      return found?.hash === first.hash && !found.partial ? found.answers : undefined;
    };
    for (let from = MAX_QUERIES; from < queries.length; from += MAX_QUERIES) {
      const next = await more(queries.slice(from, from + MAX_QUERIES));
      if (next === undefined) return 'again';
      answers.push(...next);
    }
    for (const [index, [kind, digest]] of queries.entries()) {
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

  /** @returns false if the view advanced or it is another node's turn: the commands must be decided again */
  async announce(batch: Batch): Promise<boolean> {
    const head = this.#head;
    if (head?.seq !== batch.seq - 1) throw new Error('the announced slot does not follow the head');
    const now = this.#ports.now();
    const args = [head.seq, head.hash, batch.seq, now, now + INTENT_MS, this.#ports.nodeId];
    try {
      const announced = this.#evaluate(onlyRemoves(batch) ? 'announceRemoval' : 'announce', args);
      // Before this, readers may conclude from the catalog that there is no log, without reading storage.
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

  /** To be called when nothing more is written. Ends an unused turn. */
  async endTurn(): Promise<void> {
    if (!this.#hasTurn) return;
    this.#hasTurn = false;
    // A turn that cannot be ended expires after a second.
    await this.#evaluate('endTurn', [this.#ports.nodeId]).catch(ignoreLost);
  }

  /** @throws RegistryError `unavailable` if Redis does not apply it by the deadline: the write becomes visible later */
  async apply(batch: Batch, hash: SlotHash): Promise<void> {
    const { applier, nodeId, now, sleep, seen } = this.#ports;
    const head = this.#head;
    if (head === undefined) throw new Error('a slot is applied before a head was read');
    const deadline = now() + DEADLINE_MS;
    for (;;) {
      try {
        const outcome = await applier.apply(this.#repo, head, batch, hash, nodeId);
        if (outcome === 'done' || outcome === 'ahead') {
          this.#hasTurn = outcome === 'ahead' && this.#hasTurn;
          seen.advance(this.#repo, batch.seq);
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

  /** Called when another node wrote the next slot, which the view usually already has. */
  async catchUp(): Promise<void> {
    try {
      const found = await ask(this.#ports, this.#repo, []);
      if (found === undefined || found.partial || found.seq === this.#head?.seq) await this.#heal();
    } catch (error) {
      if (!isMalformed(error)) throw error;
      await this.#heal(error);
    }
  }

  /** If another node heals, waits a moment; the caller reads again. @param malformed why the view cannot be used */
  async #heal(malformed?: Error): Promise<void> {
    const outcome = await this.#ports.healer.heal(this.#repo, malformed);
    if (outcome === 'busy') await this.#ports.sleep(RETRY_MS);
  }

  #evaluate(
    name: 'announce' | 'announceRemoval' | 'waitTurn' | 'endTurn',
    args: readonly (string | number)[],
  ): Promise<Reply> {
    return this.#ports.redis.evaluate(SCRIPTS[name], [metaKey(this.#ports.store, this.#repo)], args);
  }
}

function unconfirmed(cause?: unknown): RegistryError {
  return new RegistryError('unavailable', 'the write was not confirmed in time: try again', undefined, cause);
}
