import type { Command } from '../../journal/command.ts';
import { type CopiedSlot, replaySlots } from '../../journal/replay.ts';
import type { BlobLink } from '../../journal/state.ts';
import { LogWriter } from '../../journal/writer.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';
import type {
  BlobUse,
  FoundManifest,
  InRepository,
  Page,
  Projection,
  ReferrersQuery,
  Replayer,
  SlotsShown,
} from '../projection.ts';
import { Catalog } from './catalog.ts';
import { RedisGone, type Reply } from './commands.ts';
import { DecodeCache } from './decode-cache.ts';
import type { Query } from './facts.ts';
import { Healer } from './healer.ts';
import { metaKey } from './keys.ts';
import { isMalformed } from './malformed.ts';
import type { RedisProjectionPorts } from './ports.ts';
import { QueryBatcher } from './query-batcher.ts';
import { decodeLink, decodeRecord, listOf } from './records.ts';
import { countFrom, digestFrom, listFrom, tagFrom, textFrom } from './replies.ts';
import { SCRIPTS } from './scripts.ts';
import { SeenSlots } from './seen-slots.ts';
import { SlotApplier } from './slots.ts';
import { ask, RedisView, type ViewPorts } from './view.ts';

const UNKNOWN = { kind: 'unknown' } as const;
/** After this many verifications in a row the view changes too fast, and the read is served from storage. */
const ATTEMPTS = 4;
/** Another node brings the view up to date meanwhile. */
const SHOWN_RETRY_MS = 50;
/** Characters of records in one page of referrers. */
const MAX_PAGE_CHARACTERS = 8 * 1024 * 1024;

interface Writing {
  readonly view: RedisView;
  readonly writer: LogWriter;
  /** Commands that are not settled yet. */
  open: number;
}

/**
 * The views in Redis, shared by all nodes. Each read is one round trip. A view that may be stale is verified against the log
 * first, and while Redis is gone reads are served from the log (DESIGN 6).
 */
export class RedisProjection implements Projection, Replayer, SlotsShown {
  readonly #ports: RedisProjectionPorts;
  readonly #viewPorts: ViewPorts;
  readonly #catalog: Catalog;
  readonly #healer: Healer;
  readonly #queries: QueryBatcher;
  readonly #records = new DecodeCache(decodeRecord);
  readonly #links = new DecodeCache(decodeLink);
  readonly #seen = new SeenSlots();
  readonly #writing = new Map<RepositoryName, Writing>();

  constructor(ports: RedisProjectionPorts) {
    const { redis, store, driver, newId, now, sleep, observer } = ports;
    this.#ports = ports;
    this.#catalog = new Catalog({
      ...{ redis, store, driver, newId, look: (repo) => this.newest(repo) },
      malformed: (error) => observer.malformed('the catalog', error),
      listingFailed: (error) => observer.listingFailed(error),
    });
    const applier = new SlotApplier(redis, store, this.#catalog);
    const shared = { redis, store, now, observer, applier, seen: this.#seen };
    this.#healer = new Healer({ ...shared, driver, newId, catalog: this.#catalog });
    this.#viewPorts = { ...shared, sleep, healer: this.#healer, catalog: this.#catalog, nodeId: newId() };
    this.#queries = new QueryBatcher((repo, queries) => ask(this.#viewPorts, repo, queries));
  }

  manifestByTag(repo: RepositoryName, tag: Tag): Promise<InRepository<FoundManifest | undefined>> {
    const toAnswer = (answer: Reply): FoundManifest | undefined => {
      if (answer === null) return undefined;
      const [name, record = null] = listFrom(answer);
      const digest = digestFrom(name);
      return record === null ? undefined : { digest, record: this.#records.of(digest, textFrom(record)) };
    };
    return this.#one(repo, ['T', tag], toAnswer, (fold) => fold.manifestByTag(repo, tag));
  }

  manifestByDigest(repo: RepositoryName, digest: Digest): Promise<InRepository<FoundManifest | undefined>> {
    const toAnswer = (answer: Reply): FoundManifest | undefined =>
      typeof answer === 'string' ? { digest, record: this.#records.of(digest, answer) } : undefined;
    return this.#one(repo, ['m', digest], toAnswer, (fold) => fold.manifestByDigest(repo, digest));
  }

  blob(repo: RepositoryName, digest: Digest): Promise<InRepository<BlobLink | undefined>> {
    const toAnswer = (answer: Reply): BlobLink | undefined =>
      typeof answer === 'string' ? this.#links.of(digest, answer) : undefined;
    return this.#one(repo, ['b', digest], toAnswer, (fold) => fold.blob(repo, digest));
  }

  blobUse(repo: RepositoryName, digest: Digest): Promise<InRepository<BlobUse | undefined>> {
    const toAnswer = (link: Reply, references: Reply): BlobUse | undefined =>
      typeof link === 'string' ? { link: this.#links.of(digest, link), references: countFrom(references) } : undefined;
    const queries: readonly Query[] = [
      ['b', digest],
      ['r', digest],
    ];
    return this.#ask(repo, queries, toAnswer, (fold) => fold.blobUse(repo, digest));
  }

  tags(repo: RepositoryName, after: string | undefined, limit: number): Promise<InRepository<Page<Tag>>> {
    const inRedis = async (): Promise<InRepository<Page<Tag>> | undefined> => {
      const from = after === undefined ? '-' : `(${after}`;
      const reply = await this.#list(repo, 'listTags', [this.#ports.now(), from, limit + 1]);
      if (reply === undefined) return undefined;
      const [exists, found] = reply;
      const tags = listFrom(found).map(tagFrom);
      return exists === '1'
        ? { kind: 'known', value: { items: tags.slice(0, limit), more: tags.length > limit } }
        : UNKNOWN;
    };
    return this.#read(repo, UNKNOWN, inRedis, (fold) => fold.tags(repo, after, limit));
  }

  referrers(repo: RepositoryName, subject: Digest, query: ReferrersQuery, limit: number): Promise<Page<FoundManifest>> {
    const inRedis = async (): Promise<Page<FoundManifest> | undefined> => {
      const list = listOf(subject, query.artifactType);
      const args = [this.#ports.now(), list, query.after ?? '', limit, MAX_PAGE_CHARACTERS];
      const reply = await this.#list(repo, 'listReferrers', args);
      if (reply === undefined) return undefined;
      const [more, ...found] = reply;
      const items = Array.from({ length: found.length / 2 }, (_, index) => ({
        digest: digestFrom(found[2 * index]),
        record: decodeRecord(textFrom(found[2 * index + 1])),
      }));
      return { items, more: more === 1 };
    };
    const none = { items: [], more: false };
    return this.#read(repo, none, inRedis, (fold) => fold.referrers(repo, subject, query, limit));
  }

  async repositories(after: string | undefined, limit: number): Promise<Page<RepositoryName>> {
    try {
      return await this.#catalog.page(after, limit);
    } catch (error) {
      if (!(error instanceof RedisGone)) throw error;
      this.#ports.observer.fellBack('gone');
      return await this.#ports.fold.repositories(after, limit);
    }
  }

  /** @throws RegistryError `unavailable` while Redis is gone; the command's own refusal */
  async submit<T>(repo: RepositoryName, command: Command<T>): Promise<T> {
    const writing = this.#open(repo);
    writing.open++;
    try {
      return await writing.writer.submit(command);
    } catch (error) {
      throw error instanceof RedisGone ? withoutRedis(error) : error;
    } finally {
      writing.open--;
      if (writing.open === 0) {
        if (this.#writing.get(repo) === writing) this.#writing.delete(repo);
        await writing.view.endTurn();
      }
    }
  }

  /** @throws RegistryError `unavailable` while Redis is gone; as `replaySlots` */
  async replay(repo: RepositoryName, slots: readonly CopiedSlot[]): Promise<void> {
    const view = new RedisView(repo, this.#viewPorts);
    try {
      await replaySlots(repo, slots, view, this.#ports);
    } catch (error) {
      throw error instanceof RedisGone ? withoutRedis(error) : error;
    } finally {
      await view.endTurn();
    }
  }

  /** Existence and newest slot of a repository. */
  async newest(repo: RepositoryName): Promise<{ readonly exists: boolean; readonly seq: number }> {
    const inRedis = async (): Promise<{ exists: boolean; seq: number } | undefined> => {
      const found = await ask(this.#viewPorts, repo, []);
      return found && { exists: found.exists, seq: found.seq };
    };
    return await this.#read(repo, { exists: false, seq: 0 }, inRedis, () => this.#ports.fold.newest(repo));
  }

  async shown(repo: RepositoryName, seq: number): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if ((await this.newest(repo)).seq >= seq) return;
      try {
        if ((await this.#healer.heal(repo)) === 'busy') await this.#ports.sleep(SHOWN_RETRY_MS);
      } catch (error) {
        if (!isMalformed(error) && !(error instanceof RedisGone)) throw error;
      }
    }
    throw new RegistryError('unavailable', `the newest change of ${repo} cannot be shown yet: try again`);
  }

  #open(repo: RepositoryName): Writing {
    const open = this.#writing.get(repo);
    if (open !== undefined) return open;
    const view = new RedisView(repo, this.#viewPorts);
    const writing = { view, writer: new LogWriter(repo, view, this.#ports), open: 0 };
    this.#writing.set(repo, writing);
    return writing;
  }

  #one<T>(
    repo: RepositoryName,
    what: Query,
    toAnswer: (answer: Reply) => T,
    fromFold: (fold: Projection) => InRepository<T> | Promise<InRepository<T>>,
  ): Promise<InRepository<T>> {
    return this.#ask(repo, [what], toAnswer, fromFold);
  }

  /** At most two queries, answered at one slot. */
  #ask<T>(
    repo: RepositoryName,
    what: readonly Query[],
    toAnswer: (first: Reply, second: Reply) => T,
    fromFold: (fold: Projection) => InRepository<T> | Promise<InRepository<T>>,
  ): Promise<InRepository<T>> {
    const inRedis = async (): Promise<InRepository<T> | undefined> => {
      const found = await this.#queries.several(repo, what);
      if (found === undefined) return undefined;
      const [first = null, second = null] = found.answers;
      return found.exists ? { kind: 'known', value: toAnswer(first, second) } : UNKNOWN;
    };
    return this.#read(repo, UNKNOWN, inRedis, fromFold);
  }

  /** A list script's reply after state and slot; undefined if the view must be verified first. */
  async #list(
    repo: RepositoryName,
    name: 'listTags' | 'listReferrers',
    args: readonly (string | number)[],
  ): Promise<readonly Reply[] | undefined> {
    const reply = await this.#ports.redis.evaluate(SCRIPTS[name], [metaKey(this.#ports.store, repo)], args);
    const [state, slot, ...rest] = listFrom(reply);
    if (state !== 'ok') return undefined;
    const seq = countFrom(slot);
    if (this.#seen.isBelow(repo, seq)) return undefined;
    this.#seen.advance(repo, seq);
    return rest;
  }

  /**
   * @param unknown the answer if the repository has no log
   * @param inRedis returns undefined if the view must be verified first
   */
  async #read<T>(
    repo: RepositoryName,
    unknown: T,
    inRedis: () => Promise<T | undefined>,
    fromFold: (fold: Projection) => T | Promise<T>,
  ): Promise<T> {
    let why: 'gone' | 'busy' = 'busy';
    try {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        let malformed: Error | undefined;
        try {
          const answer = await inRedis();
          if (answer !== undefined) return answer;
          // A name that was never written to must not cost requests to the store.
          if (!this.#seen.has(repo) && (await this.#catalog.lacks(repo))) return unknown;
        } catch (error) {
          if (!isMalformed(error)) throw error;
          malformed = error;
        }
        if ((await this.#healer.heal(repo, malformed)) === 'busy') break;
      }
    } catch (error) {
      if (!(error instanceof RedisGone)) throw error;
      why = 'gone';
    }
    this.#ports.observer.fellBack(why);
    const answer = await fromFold(this.#ports.fold);
    // Later reads must not return to an older slot, even if the view lags behind the log.
    this.#seen.advance(repo, this.#ports.fold.folded(repo));
    return answer;
  }
}

function withoutRedis(cause: RedisGone): RegistryError {
  const message = 'the registry cannot accept writes now because its Redis does not answer: try again';
  return new RegistryError('unavailable', message, undefined, cause);
}
