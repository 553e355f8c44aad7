import type { Handler } from '../context.ts';
import { type AnswerOf, send } from './answer.ts';
import type { comparison, manifest, packages } from './manifest-endpoints.ts';

export const getManifestDetails: Handler<'api-manifest'> = async ({ repo, reference }, context, { inspection }) => {
  const details = await inspection.manifest(repo, reference, context);
  const answer: AnswerOf<typeof manifest> = { repository: repo, ...details };
  return send(context.stats, JSON.stringify(answer));
};

export const getPackages: Handler<'api-packages'> = async (
  { repo, reference, q = '', after, n },
  context,
  { inspection },
) => {
  const { packages: all, sboms, isCut } = await inspection.packages(repo, reference, context);
  const wanted = q.toLowerCase();
  const matching = all.filter(({ name }) => name.toLowerCase().includes(wanted));
  const end = after + n;
  const answer: AnswerOf<typeof packages> = {
    packages: matching.slice(after, end),
    count: matching.length,
    sboms,
    isCut,
    next: end < matching.length ? end : undefined,
  };
  return send(context.stats, JSON.stringify(answer));
};

export const getComparison: Handler<'api-compare'> = async ({ a, b, platform }, context, { inspection }) => {
  const answer: AnswerOf<typeof comparison> = await inspection.compare(a, b, { platform }, context);
  return send(context.stats, JSON.stringify(answer));
};
