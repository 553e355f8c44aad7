import { foldLog, READ_AHEAD } from '../../journal/log.ts';
import type { RepositoryName } from '../../oci/names.ts';
import { slotKey } from '../../storage/paths.ts';
import type { Catalog } from './catalog.ts';
import { healKey, metaKey } from './keys.ts';
import { type Operation, stepsOf } from './operations.ts';
import type { RedisProjectionPorts } from './ports.ts';
import { SCRIPTS } from './scripts.ts';
import type { SeenSlots } from './seen-slots.ts';

/** An unfinished generation is gone after so long, in seconds. */
const UNFINISHED_S = 600;
/** The view of an empty log too: names that were only asked for must not fill Redis. */
const EMPTY_S = 60;
/** Steps that are sent together. */
const PIPELINED = 8;

/** The view that a new generation is to replace; all empty where there was none. */
export interface Replaced {
  /** On which server it was seen. */
  readonly server: string;
  readonly gen: string;
  readonly seq: string;
  readonly hash: string;
}

/** The healer's hold on a repository. */
export interface Lease {
  readonly token: string;
  readonly milliseconds: number;
  /** Which look at the view it rests on; the server has a mark of it. */
  readonly attempt: number;
}

export interface RebuilderPorts extends Pick<RedisProjectionPorts, 'redis' | 'store' | 'driver' | 'newId'> {
  readonly catalog: Catalog;
  readonly seen: SeenSlots;
}

/** Makes the view of a repository anew from its newest snapshot and the slots after it, under a generation of its own. */
export class Rebuilder {
  readonly #ports: RebuilderPorts;

  constructor(ports: RebuilderPorts) {
    this.#ports = ports;
  }

  /** @returns false when another view is there by now, or Redis forgot something since it was looked at: look again */
  async rebuild(repo: RepositoryName, replaced: Replaced, lease: Lease): Promise<boolean> {
    const { driver, redis, store, newId, catalog, seen } = this.#ports;
    const { state } = await foldLog(driver, repo, READ_AHEAD);
    // A process that was killed may have left the newest slot in the page cache only: what is answered must be durable.
    if (state.seq > 0) await driver.confirm(slotKey(repo, state.seq));
    const gen = newId();
    const steps = await this.#build(repo, gen, stepsOf(state), lease);
    // An older view may have said something else of its existence.
    const era = state.seq > 0 ? await catalog.mark(repo, state.seq) : undefined;
    const switched = await redis.evaluate(
      SCRIPTS.switch,
      [metaKey(store, repo)],
      [
        ...[replaced.server, replaced.gen, replaced.seq, replaced.hash],
        ...[gen, steps, state.seq, state.hash, Number(state.exists), EMPTY_S],
        ...[lease.token, lease.attempt],
      ],
    );
    if (switched !== 1) return false;
    if (era !== undefined) await catalog.settle(repo, state.seq, state.exists, era);
    seen.is(repo, state.seq);
    return true;
  }

  async #build(
    repo: RepositoryName,
    gen: string,
    steps: Iterable<readonly Operation[]>,
    { token, milliseconds }: Lease,
  ): Promise<number> {
    const { redis, store } = this.#ports;
    const keys = [metaKey(store, repo), healKey(store, repo)];
    let number = 0;
    let sent: Promise<unknown>[] = [];
    for (const step of steps) {
      const args = [gen, number++, UNFINISHED_S, token, milliseconds, ...step.flat()];
      sent.push(redis.evaluate(SCRIPTS.build, keys, args));
      if (sent.length < PIPELINED) continue;
      await Promise.all(sent);
      sent = [];
    }
    await Promise.all(sent);
    return number;
  }
}
