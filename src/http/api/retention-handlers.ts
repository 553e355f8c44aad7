import { unreachable } from '../../oci/errors.ts';
import type { ReviewedEntry } from '../../retention/interface.ts';
import type { Handler } from '../context.ts';
import { type AnswerOf, send } from './answer.ts';
import type { pins as pinsEndpoint, retention as retentionEndpoint, retentionOutlook } from './retention-endpoints.ts';

/** The last millisecond that a Date has. */
const MAX_TIME = 8.64e15;

export const getRetention: Handler<'api-retention'> = async ({ repo, q = '', after, n }, context, { retention }) => {
  const found = await retention.explain(repo, { text: q, offset: after, limit: n }, context);
  const { rule, tags: fates, count, going, manifests, manifestCount, bytes } = found;
  const answer: AnswerOf<typeof retentionEndpoint> = {
    repository: repo,
    rule,
    tags: fates.map(({ tag, digest, pushedAt, isImmutable, isKept, keptBy, until }) => ({
      ...{ tag, digest, pushed: isoOf(pushedAt), immutable: isImmutable, kept: isKept },
      keptBy: keptBy.map((each) => ({ ...each, until: optionalIsoOf(each.until) })),
      until: optionalIsoOf(until),
    })),
    ...{ count, going },
    untagged: {
      manifests: manifests.map(({ digest, since, bytes: size }) => ({ digest, since: isoOf(since), bytes: size })),
      count: manifestCount,
      bytes,
    },
    next: after + fates.length < count ? after + fates.length : undefined,
  };
  return send(context.stats, JSON.stringify(answer));
};

export const getRetentionOutlook: Handler<'api-retention-outlook'> = async ({ n }, context, { retention }) => {
  const found = await retention.outlook(n, context);
  const answer: AnswerOf<typeof retentionOutlook> =
    found.kind === 'known'
      ? {
          ...{ hasRules: true, computed: isoOf(found.computedAt), more: found.more },
          rules: found.rules.map(({ rule, keptBy, ...sums }) => ({
            ...{ name: rule.name, ...sums },
            keep: rule.keep?.map((entry, at) => ({ ...entryOf(entry), tagsKept: keptBy[at] ?? 0 })),
          })),
          tags: found.tags.map(({ repo, tag, digest, rule, entry, goes }) => ({
            ...{ repository: repo, tag, digest, rule },
            goes: typeof goes === 'string' ? goes : 'at',
            at: typeof goes === 'string' ? undefined : optionalIsoOf(goes.at),
            entry: entry === 0 ? undefined : entry,
          })),
        }
      : { hasRules: found.kind === 'not-yet', rules: [], tags: [], more: false };
  return send(context.stats, JSON.stringify(answer));
};

function entryOf({ tags: texts, which }: ReviewedEntry) {
  const about = { tags: [...texts], keeps: which.kind };
  switch (which.kind) {
    case 'all':
      return about;
    case 'newest':
      return { ...about, count: which.count };
    case 'pushed-within':
    case 'pulled-within':
      return { ...about, milliseconds: which.duration };
    default:
      return unreachable(which);
  }
}

export const getPins: Handler<'api-pins'> = async ({ repo }, context, { pins }) => {
  const { pins: found, unreadable } = await pins.list(repo, context);
  const answer: AnswerOf<typeof pinsEndpoint> = {
    repository: repo,
    pins: found.map(({ moment, created, until, ...pin }) => ({
      ...{ ...pin, moment: isoOf(moment), created: isoOf(created), until: isoOf(until) },
    })),
    unreadable,
  };
  return send(context.stats, JSON.stringify(answer));
};

function isoOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** @returns undefined also for a time that no Date can have */
function optionalIsoOf(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined || milliseconds > MAX_TIME ? undefined : isoOf(milliseconds);
}
