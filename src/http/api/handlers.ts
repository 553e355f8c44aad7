import type { Handler } from '../context.ts';
import { type AnswerOf, send } from './answer.ts';
import { openApiDocument } from './document.ts';
import type { repository, repositoryDiff, tagHistory } from './endpoints.ts';

let documentText: string | undefined;

/** Generated once, when it is first asked for. */
export const getDocument: Handler<'api-document'> = (_, { stats }, { version }) => {
  documentText ??= openApiDocument(version);
  return send(stats, documentText);
};

export const getTagHistory: Handler<'api-tag-history'> = async ({ repo, tag, after, n }, context, { history }) => {
  const { changes, next } = await history.tagHistory(repo, tag, { after, limit: n }, context);
  const answer: AnswerOf<typeof tagHistory> = {
    repository: repo,
    tag,
    // The name of the process that wrote a slot is for the operator.
    changes: changes.map(({ node: _, ...change }) => change),
    next,
  };
  return send(context.stats, JSON.stringify(answer));
};

export const getRepository: Handler<'api-repository'> = async (
  { repo, at, n, tagsAfter, manifestsAfter, subject },
  context,
  { history },
) => {
  const found = await history.repositoryAt(repo, at, { limit: n, tagsAfter, manifestsAfter, subject }, context);
  const answer: AnswerOf<typeof repository> = { repository: repo, ...found };
  return send(context.stats, JSON.stringify(answer));
};

export const getDiff: Handler<'api-diff'> = async ({ repo, from, to }, context, { history }) => {
  const answer: AnswerOf<typeof repositoryDiff> = {
    repository: repo,
    ...(await history.diff(repo, from, to, context)),
  };
  return send(context.stats, JSON.stringify(answer));
};
