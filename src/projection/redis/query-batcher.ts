import type { RepositoryName } from '../../oci/names.ts';
import type { Reply } from './commands.ts';
import type { Query } from './facts.ts';
import type { ViewAnswer } from './view.ts';

/** Queries per script call. */
const MAX_QUERIES = 1_000;

/** The answer to one query. */
export interface QueryAnswer {
  readonly exists: boolean;
  readonly answer: Reply;
}

export interface BatchAnswer {
  readonly exists: boolean;
  readonly answers: readonly Reply[];
}

type RunBatch = (repo: RepositoryName, queries: readonly Query[]) => Promise<ViewAnswer | undefined>;

/** Queries that wait for the next script call, without duplicates. */
interface Group {
  readonly queries: Map<string, { readonly query: Query; readonly index: number }>;
  readonly answer: PromiseWithResolvers<ViewAnswer | undefined>;
}

/**
 * Queries of one repository that arrive together, or while a script call is in flight, share the next one, so a popular repository
 * costs Redis one script per round trip. No query joins a call that was sent before it arrived, so each answer is as fresh as that
 * of a separate call.
 */
export class QueryBatcher {
  readonly #ask: RunBatch;
  /** For repositories whose next call is about to be sent, or in flight: the groups that are not sent yet. */
  readonly #waiting = new Map<RepositoryName, Group[]>();

  constructor(ask: RunBatch) {
    this.#ask = ask;
  }

  /** @returns undefined if the view must be verified first. @throws RedisGone; errors that `isMalformed` accepts */
  async one(repo: RepositoryName, query: Query): Promise<QueryAnswer | undefined> {
    const found = await this.several(repo, [query]);
    return found && { exists: found.exists, answer: found.answers[0] ?? null };
  }

  /** Like `one`, with all answers at one slot. */
  async several(repo: RepositoryName, queries: readonly Query[]): Promise<BatchAnswer | undefined> {
    const waiting = this.#waiting.get(repo) ?? this.#begin(repo);
    let group = waiting.at(-1);
    if (group === undefined || group.queries.size + queries.length > MAX_QUERIES) {
      group = { queries: new Map(), answer: Promise.withResolvers() };
      waiting.push(group);
    }
    const batch = group.queries;
    const indexes = queries.map((query) => {
      const name = `${query[0]} ${query[1]}`;
      const index = batch.get(name)?.index ?? batch.size;
      batch.set(name, { query, index });
      return index;
    });
    const found = await group.answer.promise;
    return found && { exists: found.exists, answers: indexes.map((index) => found.answers[index] ?? null) };
  }

  /** The first call is sent once all code that is running now has asked. */
  #begin(repo: RepositoryName): Group[] {
    const waiting: Group[] = [];
    this.#waiting.set(repo, waiting);
    queueMicrotask(() => void this.#run(repo, waiting));
    return waiting;
  }

  async #run(repo: RepositoryName, waiting: Group[]): Promise<void> {
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      try {
        const queries = Array.from(group.queries.values(), ({ query }) => query);
        group.answer.resolve(await this.#ask(repo, queries));
      } catch (error) {
        // The waiting queries have already waited for a whole deadline.
        for (const each of [group, ...waiting.splice(0)]) each.answer.reject(error);
      }
    }
    this.#waiting.delete(repo);
  }
}
