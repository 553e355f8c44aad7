import type { RepositoryName } from '../../oci/names.ts';
import type { StoreReader } from '../../storage/driver.ts';
import { CATALOG, repositoryOfMarker } from '../../storage/paths.ts';
import type { Page } from '../projection.ts';
import { type RedisCommands, RedisGone, type Reply } from './commands.ts';
import { catalogKeys } from './keys.ts';
import { isMalformed } from './malformed.ts';
import { listFrom, repositoryFrom, textFrom } from './replies.ts';
import { SCRIPTS } from './scripts.ts';

/** Names per script call. */
const STEP = 1000;
/** How many repositories are probed concurrently while it is unknown whether they exist. */
const PROBES = 16;
/** A listing is repeated only if Redis lost data meanwhile, or another node lists too. */
const ATTEMPTS = 5;

declare const brand: unique symbol;
/** A period in which Redis lost nothing of the catalog. Facts determined in an era are valid until it ends. */
export type Era = string & { readonly [brand]: 'Era' };

interface Known {
  readonly name: RepositoryName;
  /** Whether it certainly exists. */
  readonly isKnown: boolean;
}

export interface CatalogPorts {
  readonly redis: RedisCommands;
  readonly store: string;
  readonly driver: StoreReader;
  readonly newId: () => string;
  /** Whether a repository exists, and at which slot. */
  readonly look: (repo: RepositoryName) => Promise<{ readonly exists: boolean; readonly seq: number }>;
  /** Called when the catalog was discarded, because another program wrote to it. */
  readonly malformed: (error: Error) => void;
  /** Called with the failure of a listing in the background, once until a listing succeeds. */
  readonly listingFailed: (error: unknown) => void;
}

/**
 * All repositories, in one zset. Like a repository's view it has an owner, the server on which all markers were listed. On any
 * other server it is listed again. Each repository's own view is read once to find out whether it still exists.
 */
export class Catalog {
  readonly #ports: CatalogPorts;
  readonly #keys: readonly string[];
  #listing: Promise<void> | undefined;
  #hasReportedFailure = false;

  constructor(ports: CatalogPorts) {
    this.#ports = ports;
    this.#keys = catalogKeys(ports.store);
  }

  /** Announces that the first slot of the repository is about to be created. */
  async expect(repo: RepositoryName): Promise<void> {
    await this.#run('catalogExpect', [repo]);
  }

  /** Announces that a slot that creates or deletes the repository is about to be applied. @returns the current era */
  async mark(repo: RepositoryName, seq: number): Promise<Era> {
    return String(await this.#run('catalogMark', [repo, seq])) as Era;
  }

  /** Records whether the repository exists at that slot. @param era read before that was determined */
  async settle(repo: RepositoryName, seq: number, exists: boolean, era: Era): Promise<void> {
    await this.#run('catalogSettle', [repo, seq, Number(exists), era]);
  }

  /** A malformed catalog is discarded, as if Redis had lost it, and the script runs again. */
  async #run(
    name: 'catalogExpect' | 'catalogMark' | 'catalogSettle',
    args: readonly (string | number)[],
  ): Promise<Reply> {
    try {
      return await this.#ports.redis.evaluate(SCRIPTS[name], this.#keys, args);
    } catch (error) {
      if (!isMalformed(error)) throw error;
      await this.#forget(error);
      return await this.#ports.redis.evaluate(SCRIPTS[name], this.#keys, args);
    }
  }

  async #forget(malformed: Error): Promise<void> {
    this.#ports.malformed(malformed);
    await this.#ports.redis.evaluate(SCRIPTS.catalogForget, this.#keys, []);
  }

  /**
   * Whether the repository certainly has no log, so that the store need not be read. If the catalog is incomplete it is listed in
   * the background, because reading one log is faster than waiting for it.
   */
  async lacks(repo: RepositoryName): Promise<boolean> {
    try {
      const reply = await this.#ports.redis.evaluate(SCRIPTS.catalogLacks, this.#keys, [repo]);
      // The next call starts a failed listing again.
      if (reply === -1) this.#listAgain().catch(this.#reportFailure);
      return reply === 1;
    } catch (error) {
      if (!isMalformed(error)) throw error;
      await this.#forget(error);
      return false;
    }
  }

  async page(after: string | undefined, limit: number): Promise<Page<RepositoryName>> {
    // One more than requested tells whether another page follows.
    const items: RepositoryName[] = [];
    for (let last = after; items.length <= limit; ) {
      const wanted = limit + 1 - items.length;
      const { era, known } = await this.#names(last, wanted);
      items.push(...(await this.#existing(known, era)));
      last = known[known.length - 1]?.name;
      if (known.length < wanted) break;
    }
    return { items: items.slice(0, limit), more: items.length > limit };
  }

  async #names(after: string | undefined, limit: number): Promise<{ era: Era; known: readonly Known[] }> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      try {
        const page = await this.#page(after, limit);
        if (page !== undefined) return page;
        await this.#listAgain();
      } catch (error) {
        if (!isMalformed(error)) throw error;
        await this.#forget(error);
      }
    }
    throw new RedisGone('the catalog could not be listed: Redis keeps losing data');
  }

  /** @returns undefined if the catalog must be listed again. @throws RedisGone; errors that `isMalformed` accepts */
  async #page(after: string | undefined, limit: number): Promise<{ era: Era; known: readonly Known[] } | undefined> {
    const from = after === undefined ? '-' : `(${after}`;
    const reply = await this.#ports.redis.evaluate(SCRIPTS.catalogPage, this.#keys, [from, limit]);
    const [state, era, ...rest] = listFrom(reply);
    if (state !== 'ok') return undefined;
    const known = Array.from({ length: rest.length / 2 }, (_, index) => ({
      name: repositoryFrom(rest[2 * index]),
      isKnown: /^\d/.test(textFrom(rest[2 * index + 1])),
    }));
    return { era: String(era) as Era, known };
  }

  readonly #reportFailure = (error: unknown): void => {
    if (this.#hasReportedFailure) return;
    this.#hasReportedFailure = true;
    this.#ports.listingFailed(error);
  };

  #listAgain(): Promise<void> {
    this.#listing ??= this.#list().finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }

  async #list(): Promise<void> {
    const { redis, driver, newId } = this.#ports;
    const round = newId();
    const [state, server] = listFrom(await redis.evaluate(SCRIPTS.catalogBegin, this.#keys, [round]));
    if (state === 'listed') return;
    let names: RepositoryName[] = [];
    for await (const { key } of driver.list(CATALOG)) {
      const repo = repositoryOfMarker(key);
      if (repo !== undefined) names.push(repo);
      if (names.length < STEP) continue;
      await redis.evaluate(SCRIPTS.catalogList, this.#keys, names);
      names = [];
    }
    if (names.length > 0) await redis.evaluate(SCRIPTS.catalogList, this.#keys, names);
    await redis.evaluate(SCRIPTS.catalogEnd, this.#keys, [String(server), round]);
    this.#hasReportedFailure = false;
  }

  async #existing(names: readonly Known[], era: Era): Promise<RepositoryName[]> {
    const found: RepositoryName[] = [];
    for (let start = 0; start < names.length; start += PROBES) {
      const some = names.slice(start, start + PROBES);
      const exist = await Promise.all(some.map(({ name, isKnown }) => isKnown || this.#probe(name, era)));
      found.push(...some.filter((_, index) => exist[index]).map(({ name }) => name));
    }
    return found;
  }

  async #probe(repo: RepositoryName, era: Era): Promise<boolean> {
    const { exists, seq } = await this.#ports.look(repo);
    await this.settle(repo, seq, exists, era);
    return exists;
  }
}
