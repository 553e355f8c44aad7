import { z } from 'zod';
import { CHANGE_TYPES } from '../../feed/change.ts';
import { RegistryError } from '../../oci/errors.ts';
import { ACCESS_ENDPOINTS } from './access-endpoints.ts';
import { endpoint } from './endpoint.ts';
import * as field from './fields.ts';
import { comparison, manifest, packages } from './manifest-endpoints.ts';
import { OPERATIONS_ENDPOINTS } from './operations-endpoints.ts';
import { repositories, search, sharers, storage, tags, totals } from './overview-endpoints.ts';
import { REPLICATION_ENDPOINTS } from './replication-endpoints.ts';
import { pins, retention, retentionOutlook } from './retention-endpoints.ts';

/** What a page of a list may hold, and what it holds by default. */
const MAX_PAGE = 1_000;
const PAGE = 100;

const noParameters = z.strictObject({});
const inRepository = z.strictObject({ repo: field.repo });

const document = endpoint({
  kind: 'api-document',
  path: '/api/v1/openapi.json',
  summary: 'This document',
  description: 'Anyone may read it.',
  params: noParameters,
  query: noParameters,
  answer: z.looseObject({ openapi: z.string() }),
  errors: [],
});

export const tagHistory = endpoint({
  kind: 'api-tag-history',
  path: '/api/v1/repositories/{repo}/tags/{tag}/history',
  summary: 'Every value that a tag had, oldest first',
  description:
    'Also of a deleted tag, and of a deleted repository. A page may have fewer changes than n, or none, though it has a next one.',
  params: z.strictObject({ repo: field.repo, tag: field.tag }),
  query: z.strictObject({ after: field.afterSlot, n: field.count(PAGE, MAX_PAGE) }),
  answer: z.strictObject({
    repository: z.string(),
    tag: z.string(),
    changes: z.array(
      z.strictObject({
        action: z.enum(['set', 'deleted']),
        digest: field.digest.describe('What the tag was set to, or pointed to when it was deleted.'),
        with: z.enum(['manifest', 'repository']).optional().describe('What was deleted together with the tag.'),
        seq: field.seq,
        at: field.time,
        actor: z.string().optional().describe('Who did it, if that is known.'),
      }),
    ),
    next: field.seq.optional().describe('`after` of the next page; absent on the last one.'),
  }),
  errors: [404],
});

export const repositoryDiff = endpoint({
  kind: 'api-diff',
  path: '/api/v1/repositories/{repo}/diff',
  summary: 'What differs between two moments of a repository, or between two of its manifests',
  description: 'Between moments: tags, manifests and blobs. Between manifests: layers, fields of the config, sizes.',
  params: inRepository,
  query: z.strictObject({ from: field.diffSide, to: field.diffSide }),
  answer: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('moments'),
      repository: z.string(),
      from: momentSide(),
      to: momentSide(),
      tags: counted(
        z.strictObject({ tag: z.string(), from: field.digest.optional(), to: field.digest.optional() }),
      ).describe('`from` is absent for a tag that is new, `to` for one that is gone.'),
      manifests: z.strictObject({ added: counted(manifestSummary()), gone: counted(manifestSummary()) }),
      blobs: z.strictObject({ added: field.wholeNumber, gone: field.wholeNumber }).describe('Numbers of blobs.'),
    }),
    z.strictObject({
      kind: z.literal('manifests'),
      repository: z.string(),
      from: manifestSide(),
      to: manifestSide(),
      layers: z.array(part()),
      manifests: z.array(part()).describe('Of indexes.'),
      fields: z
        .array(z.strictObject({ field: z.string(), from: z.string().optional(), to: z.string().optional() }))
        .describe('Fields of the manifests, and of their configs below `config`. Values that are not texts are JSON.'),
      bytes: z.strictObject({ same: field.wholeNumber, added: field.wholeNumber, gone: field.wholeNumber }),
    }),
  ]),
  errors: [404],
});

export const repository = endpoint({
  kind: 'api-repository',
  path: '/api/v1/repositories/{repo}',
  summary: 'A repository as it is, or as it was',
  description:
    'Its tags and manifests, each in pages of their own. A page of manifests ends after about 4 MiB. With `subject` only the referrers of that manifest.',
  params: inRepository,
  query: z.strictObject({
    at: field.moment.optional().describe('The moment; the present if it is absent.'),
    n: field.count(PAGE, MAX_PAGE),
    tagsAfter: z.string().optional().describe('The tag after which the page of tags begins.'),
    manifestsAfter: field.digestParameter.optional().describe('The digest after which the page of manifests begins.'),
    subject: field.digestParameter.optional().describe('Only manifests with this subject.'),
  }),
  answer: z.strictObject({
    repository: z.string(),
    seq: field.seq,
    time: field.time.optional().describe('Time of that slot.'),
    counts: z.strictObject({ tags: field.wholeNumber, manifests: field.wholeNumber, blobs: field.wholeNumber }),
    bytes: field.bytes.describe('Of all blobs and manifests, each once.'),
    tags: page(z.strictObject({ tag: z.string(), digest: field.digest, set: field.time })),
    manifests: page(
      z.strictObject({
        digest: field.digest,
        mediaType: z.string(),
        size: field.bytes,
        artifactType: z.string().optional(),
        annotations: z.record(z.string(), z.string()).optional().describe('Only of manifests with a subject.'),
        subject: field.digest.optional(),
        referrers: z.int().nonnegative().describe('How many manifests have it as their subject.'),
        pushed: field.time,
      }),
    ),
  }),
  errors: [404],
});

export const changes = endpoint({
  kind: 'api-changes',
  path: '/api/v1/changes',
  summary: 'What changed in all repositories that the caller may pull from',
  description:
    'Changes of one repository come in their order, each once. A page may have fewer changes than limit, or none, though more follow.',
  params: noParameters,
  query: z.strictObject({
    since: field.since,
    repository: field.repositoryGlob.optional(),
    type: field.changeTypes.optional(),
    limit: field.count(PAGE, MAX_PAGE),
    wait: field.wait,
  }),
  answer: z.strictObject({
    changes: z.array(
      z.strictObject({
        id: z.string().describe('<repository>@<seq>.<index>: the same for ever.'),
        repository: z.string(),
        seq: field.seq,
        index: z.int().nonnegative().describe('Position in that slot.'),
        time: field.time,
        actor: z.string().optional().describe('Who did it, if that is known.'),
        type: z.enum(CHANGE_TYPES),
        tag: z.string().optional(),
        digest: field.digest.optional().describe('The blob or manifest, or what the tag was set to.'),
        previous: field.digest.optional().describe('What the tag pointed to before.'),
        mediaType: z.string().optional(),
        artifactType: z.string().optional().describe('Absent if it is longer than 255 characters.'),
        subject: field.digest.optional(),
        size: field.bytes.optional(),
        from: z.string().optional().describe('The repository that a blob was mounted from.'),
      }),
    ),
    cursor: z.string().describe('`since` of the next page. It stays valid.'),
    more: z.boolean().describe('Whether changes are known that come after this page.'),
  }),
  stream:
    'With Accept: text/event-stream. Each event is a change, with its cursor as the id; Last-Event-ID goes on after it. Every 15 s without one there is a comment. The stream ends after five minutes, and clients connect again.',
  errors: [],
});

/** All endpoints. The first whose path matches is used: the address of a repository matches those of what is in it, too. */
export const ENDPOINTS = [
  document,
  changes,
  search,
  repositories,
  totals,
  storage,
  comparison,
  tagHistory,
  packages,
  manifest,
  sharers,
  retention,
  retentionOutlook,
  pins,
  repositoryDiff,
  tags,
  repository,
  ...REPLICATION_ENDPOINTS,
  ...ACCESS_ENDPOINTS,
  ...OPERATIONS_ENDPOINTS,
] as const;

/** The requests of /api/v1. */
export type ApiRoute = NonNullable<ReturnType<(typeof ENDPOINTS)[number]['route']>>;

/**
 * @returns undefined if no endpoint has the path
 * @throws RegistryError `method-not-allowed`, and others for malformed parameters
 */
export function apiRoute(method: string, path: string, query: URLSearchParams): ApiRoute | undefined {
  const first = ENDPOINTS.find((each) => each.matches(path));
  if (first === undefined) return undefined;
  const there = ENDPOINTS.filter((each) => each.path === first.path);
  const chosen = there.find((each) => METHODS[each.method].includes(method));
  if (chosen !== undefined) return chosen.route(path, query);
  const allowed = there.flatMap((each) => METHODS[each.method]);
  const message = `${method} is not allowed here, only ${allowed.join(', ')}`;
  throw new RegistryError('method-not-allowed', message, { allow: allowed });
}

/** The methods that an endpoint answers. */
const METHODS: Readonly<Record<'get' | 'post', readonly string[]>> = { get: ['GET', 'HEAD'], post: ['POST'] };

function page<Item extends z.ZodType>(item: Item) {
  return z.strictObject({ items: z.array(item), more: z.boolean().describe('Whether more follow the last one.') });
}

function counted<Item extends z.ZodType>(item: Item) {
  return z.strictObject({
    items: z.array(item),
    count: z.int().nonnegative().describe('Of all; at most 1,000 are listed.'),
  });
}

function momentSide() {
  return z.strictObject({ seq: field.seq, time: field.time.optional(), exists: z.boolean(), bytes: field.bytes });
}

function manifestSummary() {
  return z.strictObject({ digest: field.digest, mediaType: z.string(), size: field.bytes });
}

function manifestSide() {
  return z.strictObject({
    digest: field.digest,
    mediaType: z.string(),
    total: field.bytes.describe('Bytes of the manifest, its config and its layers, or of the manifests that it names.'),
  });
}

function part() {
  return z.strictObject({
    change: z.enum(['same', 'added', 'gone']),
    digest: field.digest,
    mediaType: z.string(),
    size: field.bytes,
    platform: z.string().optional(),
  });
}
