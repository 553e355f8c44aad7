import type { Batch, SlotHash } from '../../journal/events.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { Catalog } from './catalog.ts';
import type { RedisCommands } from './commands.ts';
import { metaKey } from './keys.ts';
import { existsAfter, operationsOf, stepFrom } from './operations.ts';
import { listFrom } from './replies.ts';
import { SCRIPTS } from './scripts.ts';

/** `behind`: the view is not at the previous slot; `ahead`: it has this slot; `alien`: part of another slot was applied to it. */
export type Applied = 'done' | 'ahead' | 'behind' | 'alien';

export interface SlotPosition {
  readonly seq: number;
  readonly hash: SlotHash;
  readonly exists: boolean;
}

/** Advances the views in Redis from one slot to the next. */
export class SlotApplier {
  readonly #redis: RedisCommands;
  readonly #store: string;
  readonly #catalog: Catalog;

  constructor(redis: RedisCommands, store: string, catalog: Catalog) {
    this.#redis = redis;
    this.#store = store;
    this.#catalog = catalog;
  }

  /**
   * @param turnOf the node whose turn ends once the slot is applied; empty: none
   * @throws RedisGone; errors that `isMalformed` accepts
   */
  async apply(
    repo: RepositoryName,
    before: SlotPosition,
    batch: Batch,
    hash: SlotHash,
    turnOf: string,
  ): Promise<Applied> {
    const exists = existsAfter(batch, before.exists);
    const isChange = exists !== before.exists;
    // The catalog has another hash tag, so it is marked before and settled after. It never keeps a state that held only in between.
    const era = isChange ? await this.#catalog.mark(repo, batch.seq) : undefined;
    const outcome = await this.#steps(repo, before, batch, hash, { turnOf, exists });
    // A view that is ahead had the slot before the era was read, and may have later ones: the mark stays, so that readers ask it.
    if (era !== undefined && outcome === 'done') await this.#catalog.settle(repo, batch.seq, exists, era);
    return outcome;
  }

  async #steps(
    repo: RepositoryName,
    before: SlotPosition,
    batch: Batch,
    hash: SlotHash,
    { turnOf, exists }: { readonly turnOf: string; readonly exists: boolean },
  ): Promise<Applied> {
    const operations = operationsOf(batch);
    const fence = [before.seq, before.hash, batch.seq, hash];
    for (let [number, where] = [1, '-']; ; ) {
      const step = stepFrom(operations, number - 1).map(([kind, first, second, third], index) =>
        // An earlier step has already sent the record, which may be long.
        index === 0 && kind === 'M' && where.startsWith('a') ? [kind, first, '', third] : [kind, first, second, third],
      );
      const args = [...fence, number, where, operations.length, Number(exists), turnOf, ...step.flat()];
      const reply = await this.#redis.evaluate(SCRIPTS.apply, [metaKey(this.#store, repo)], args);
      const [state, next, place] = listFrom(reply);
      if (state !== 'more' && state !== 'at') return state as Applied;
      [number, where] = [Number(next), String(place)];
    }
  }
}
