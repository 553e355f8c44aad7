import { foldLog, READ_AHEAD } from '../../journal/log.ts';
import type { RepositoryName } from '../../oci/names.ts';
import { slotKey } from '../../storage/paths.ts';
import type { Catalog } from './catalog.ts';
import { healKey, metaKey } from './keys.ts';
import { type Operation, stepsOf } from './operations.ts';
import type { RedisProjectionPorts } from './ports.ts';
import { SCRIPTS } from './scripts.ts';
import type { SeenSlots } from './seen-slots.ts';

/** Lifetime of an unfinished generation, in seconds. */
const UNFINISHED_S = 600;
/** Lifetime of the view of an empty log, in seconds, so that names that are only read do not fill Redis. */
const EMPTY_S = 60;
/** Steps per pipeline. */
const PIPELINED = 8;

/** The view that a new generation replaces; all fields are empty if there was none. */
export interface Replaced {
  /** The server on which it was inspected. */
  readonly server: string;
  readonly gen: string;
  readonly seq: string;
  readonly hash: string;
}

/** The healer's lease of a repository. */
export interface Lease {
  readonly token: string;
  readonly milliseconds: number;
  /** The inspection that it is based on; the server keeps a mark of it. */
  readonly attempt: number;
}

export interface RebuilderPorts extends Pick<RedisProjectionPorts, 'redis' | 'store' | 'driver' | 'newId'> {
  readonly catalog: Catalog;
  readonly seen: SeenSlots;
}

/** Rebuilds the view of a repository as a new generation, from the newest snapshot and the slots after it. */
export class Rebuilder {
  readonly #ports: RebuilderPorts;

  constructor(ports: RebuilderPorts) {
    this.#ports = ports;
  }

  /** @returns false if the view was replaced meanwhile or Redis lost data since the inspection, which must then be repeated */
  async rebuild(repo: RepositoryName, replaced: Replaced, lease: Lease): Promise<boolean> {
    const { driver, redis, store, newId, catalog, seen } = this.#ports;
    const { state } = await foldLog(driver, repo, READ_AHEAD);
    // A process that was killed may have left the newest slot in the page cache only, but responses must depend on durable slots.
    if (state.seq > 0) await driver.confirm(slotKey(repo, state.seq));
    const gen = newId();
    const steps = await this.#build(repo, gen, stepsOf(state), lease);
    // The replaced view may have differed in whether the repository exists.
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
    seen.set(repo, state.seq);
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
