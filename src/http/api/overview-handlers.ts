import type { Handler } from '../context.ts';
import { type AnswerOf, send } from './answer.ts';
import type { repositories, search, sharers, storage, tags, totals } from './overview-endpoints.ts';

const MAX_SHARERS = 100;

export const searchAll: Handler<'api-search'> = async ({ q, after, n }, context, { overview }) => {
  const { more, ...found } = await overview.search({ text: q, offset: after, limit: n }, context);
  const answer: AnswerOf<typeof search> = { ...found, next: more ? after + n : undefined };
  return send(context.stats, JSON.stringify(answer));
};

export const getRepositories: Handler<'api-repositories'> = async (
  { sort, q, under, after, n },
  context,
  { overview },
) => {
  const { items, ...page } = await overview.repositories({ sort, text: q, under, after, limit: n }, context);
  const answer: AnswerOf<typeof repositories> = { repositories: items, ...page };
  return send(context.stats, JSON.stringify(answer));
};

export const getTags: Handler<'api-tags'> = async ({ repo, sort, q, after, n }, context, { overview }) => {
  const { items, more, ...page } = await overview.tags(repo, { sort, text: q, offset: after, limit: n }, context);
  const answer: AnswerOf<typeof tags> = {
    repository: repo,
    tags: items,
    ...page,
    next: more ? after + n : undefined,
  };
  return send(context.stats, JSON.stringify(answer));
};

export const getTotals: Handler<'api-totals'> = async (_, context, { overview }) => {
  const answer: AnswerOf<typeof totals> = await overview.totals(context);
  return send(context.stats, JSON.stringify(answer));
};

export const getStorage: Handler<'api-storage'> = async ({ repository: repo, n, parts }, context, { overview }) => {
  const answer: AnswerOf<typeof storage> = await overview.storage({ repo, repositories: n, parts }, context);
  return send(context.stats, JSON.stringify(answer));
};

export const getSharers: Handler<'api-sharers'> = async ({ repo, digest }, context, { overview, registry }) => {
  await registry.tags(repo, { after: undefined, limit: 1 }, context);
  const answer: AnswerOf<typeof sharers> = await overview.sharers(digest, repo, MAX_SHARERS, context);
  return send(context.stats, JSON.stringify(answer));
};
