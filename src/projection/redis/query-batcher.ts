import type { RepositoryName } from '../../oci/names.ts';
import type { Reply } from './commands.ts';
import type { Query } from './facts.ts';
import type { ViewAnswer } from './view.ts';

/** As many as one script looks up. */
const MAX_QUERIES = 1_000;

/** The answer to one question. */
export interface QueryAnswer {
  readonly exists: boolean;
  readonly answer: Reply;
}

export interface BatchAnswer {
  readonly exists: boolean;
  readonly answers: readonly Reply[];
}

type AskBatch = (repo: RepositoryName, asks: readonly Query[]) => Promise<ViewAnswer | undefined>;

/** QueryBatcher that wait to be asked together, each once. */
interface Group {
  readonly asks: Map<string, { readonly what: Query; readonly index: number }>;
  readonly asked: PromiseWithResolvers<ViewAnswer | undefined>;
}

/**
 * QueryBatcher about one repository that come while others are on their way wait for those, and are asked together: a repository that
 * everybody pulls costs Redis no more than one script for each round trip. No question joins a script that was sent before it
 * came, so each answer is as new as if it had been asked alone.
 */
export class QueryBatcher {
  readonly #ask: AskBatch;
  /** Of repositories that are being asked about: what comes after that. */
  readonly #waiting = new Map<RepositoryName, Group[]>();

  constructor(ask: AskBatch) {
    this.#ask = ask;
  }

  /** @returns undefined when the view must be verified first. @throws RedisGone */
  async one(repo: RepositoryName, what: Query): Promise<QueryAnswer | undefined> {
    const asked = await this.several(repo, [what]);
    return asked && { exists: asked.exists, answer: asked.answers[0] ?? null };
  }

  /** As `one`; all of them are answered at one slot. */
  async several(repo: RepositoryName, whats: readonly Query[]): Promise<BatchAnswer | undefined> {
    const waiting = this.#waiting.get(repo);
    let group = waiting?.at(-1);
    if (group === undefined || group.asks.size + whats.length > MAX_QUERIES) {
      group = { asks: new Map(), asked: Promise.withResolvers() };
      waiting?.push(group);
    }
    const { asks } = group;
    const indexes = whats.map((what) => {
      const name = `${what[0]} ${what[1]}`;
      const index = asks.get(name)?.index ?? asks.size;
      asks.set(name, { what, index });
      return index;
    });
    if (waiting === undefined) void this.#run(repo, group);
    const asked = await group.asked.promise;
    return asked && { exists: asked.exists, answers: indexes.map((index) => asked.answers[index] ?? null) };
  }

  async #run(repo: RepositoryName, first: Group): Promise<void> {
    const waiting: Group[] = [];
    this.#waiting.set(repo, waiting);
    for (let group: Group | undefined = first; group !== undefined; group = waiting.shift()) {
      try {
        const asks = Array.from(group.asks.values(), ({ what }) => what);
        group.asked.resolve(await this.#ask(repo, asks));
      } catch (error) {
        // They waited for as long already as one may wait for an answer.
        for (const each of [group, ...waiting.splice(0)]) each.asked.reject(error);
      }
    }
    this.#waiting.delete(repo);
  }
}
