import { z } from 'zod';
import { endpoint } from './endpoint.ts';
import * as field from './fields.ts';

const PAGE = 50;
const MAX_PAGE = 500;
/** Tags of one page: a page of people filters them without asking again. */
const MAX_TAGS = 1_000;
const MAX_STORAGE = 200;

const noParameters = z.strictObject({});
const isComplete = z
  .boolean()
  .describe(
    'Whether the index has everything that this process wrote before: false for a while after the start, and while the process has too much to do.',
  );
const name = z.string();
const optionalText = z.string().optional();

export const search = endpoint({
  kind: 'api-search',
  path: '/api/v1/search',
  summary: 'Finds repositories, tags, digests and labels',
  description:
    'All words of q must be found: in the name of a repository, of a repository and its tag, or in one label or annotation. Addresses such as team/app:v1, and beginnings of digests with 6 digits or more are understood. Only what the caller may pull is found and counted.',
  params: noParameters,
  query: z.strictObject({
    q: field.search.describe('What is looked for.'),
    after: field.offset,
    n: field.count(PAGE, MAX_PAGE),
  }),
  answer: z.strictObject({
    hits: z
      .array(
        z.discriminatedUnion('kind', [
          z.strictObject({
            kind: z.literal('repository'),
            repository: name,
            description: optionalText,
            pushed: field.time.optional(),
          }),
          z.strictObject({
            kind: z.literal('tag'),
            repository: name,
            tag: z.string(),
            digest: field.digest,
            set: field.time,
          }),
          z.strictObject({
            kind: z.literal('digest'),
            repository: name,
            digest: field.digest,
            is: z.enum(['manifest', 'blob']),
          }),
          z.strictObject({
            kind: z.literal('label'),
            repository: name,
            digest: field.digest.describe('The newest manifest that has it.'),
            key: z.string(),
            value: z.string(),
          }),
        ]),
      )
      .describe('The best first.'),
    counts: z.strictObject({
      repositories: field.wholeNumber,
      tags: field.wholeNumber,
      digests: field.wholeNumber,
      labels: field.wholeNumber,
    }),
    isCut: z.boolean().describe('Whether there are more than were ranked.'),
    isComplete,
    next: field.wholeNumber.optional().describe('`after` of the next page; absent on the last one.'),
  }),
  errors: [],
});

export const repositories = endpoint({
  kind: 'api-repositories',
  path: '/api/v1/repositories',
  summary: 'Summaries of the repositories that the caller may list',
  description: 'By name ascending, by the last push or by size descending.',
  params: noParameters,
  query: z.strictObject({
    sort: field.oneOf(['name', 'pushed', 'size']),
    q: field.search.optional().describe('Only repositories whose name has this text.'),
    under: field.repositoryName.optional().describe('Only repositories below this name.'),
    after: z.string().max(300).optional().describe('`next` of the page before.'),
    n: field.count(PAGE, MAX_PAGE),
  }),
  answer: z.strictObject({
    repositories: z.array(
      z.strictObject({
        name,
        description: optionalText,
        tags: field.wholeNumber,
        bytes: field.bytes.describe('Of all its blobs and manifests.'),
        shared: field.bytes
          .optional()
          .describe(
            'Of those that another repository has, too, as far as the caller may see; absent if there are too many.',
          ),
        pushed: z.strictObject({ at: field.time, by: optionalText }).optional(),
        pushes: z.array(field.wholeNumber).describe('Pushes on each of the last 30 days, in UTC, the oldest first.'),
      }),
    ),
    isComplete,
    next: optionalText.describe('`after` of the next page; absent on the last one.'),
  }),
  errors: [],
});

export const tags = endpoint({
  kind: 'api-tags',
  path: '/api/v1/repositories/{repo}/tags',
  summary: 'The tags of a repository, described',
  description:
    'By name ascending, by time or version descending. Tags that only attach something to another manifest, such as sha256-….sig, are left out and counted.',
  params: z.strictObject({ repo: field.repo }),
  query: z.strictObject({
    sort: field.oneOf(['time', 'name', 'version']),
    q: field.search.optional().describe('Only tags that have this text, in any case.'),
    after: field.offset,
    n: field.count(100, MAX_TAGS),
  }),
  answer: z.strictObject({
    repository: name,
    tags: z.array(
      z.strictObject({
        tag: z.string(),
        digest: field.digest,
        mediaType: z.string(),
        artifactType: optionalText.describe('Absent if it is longer than 255 characters.'),
        kind: field.contentKind,
        total: field.bytes.describe('Bytes of the manifest and of what it names.'),
        set: field.time,
        by: optionalText.describe('Who set it, if that is known.'),
        platforms: z.array(z.string()).describe('Empty until the config was read.'),
        created: field.time.optional(),
        badges: z.strictObject({ signed: z.boolean(), sbom: z.boolean(), attested: z.boolean() }),
      }),
    ),
    count: field.wholeNumber.describe('How many match.'),
    folded: field.wholeNumber.describe('How many were left out because they attach something.'),
    isComplete,
    next: field.wholeNumber.optional().describe('`after` of the next page; absent on the last one.'),
  }),
  errors: [404],
});

export const totals = endpoint({
  kind: 'api-totals',
  path: '/api/v1/totals',
  summary: 'Sums over the repositories that the caller may list',
  description: 'What sharing saves is `bytes` less `stored`.',
  params: noParameters,
  query: noParameters,
  answer: z.strictObject({
    repositories: field.wholeNumber,
    tags: field.wholeNumber,
    bytes: field.bytes.describe('As if nothing were shared.'),
    stored: field.bytes.optional().describe('Each blob and manifest once; absent if there are too many to find out.'),
    garbage: z
      .strictObject({ objects: field.wholeNumber, bytes: field.bytes, at: field.time })
      .optional()
      .describe('What the last collection left for a later one. Only for callers who may list all repositories.'),
    isComplete,
  }),
  errors: [],
});

const part = z.strictObject({
  digest: field.digest,
  bytes: field.bytes,
  sharedWith: field.wholeNumber
    .optional()
    .describe('Other repositories that have it, counted up to 100; absent if finding out would take too long.'),
});
const rest = z.strictObject({ count: field.wholeNumber, bytes: field.bytes });

export const storage = endpoint({
  kind: 'api-storage',
  path: '/api/v1/storage',
  summary: 'What takes the space: repositories and their parts, the largest first',
  description: 'Of the repositories that the caller may list.',
  params: noParameters,
  query: z.strictObject({
    repository: field.repositoryName.optional().describe('Only this repository.'),
    n: field.count(PAGE, MAX_STORAGE),
    parts: field.count(20, MAX_STORAGE),
  }),
  answer: z.strictObject({
    repositories: z.array(
      z.strictObject({
        name,
        bytes: field.bytes,
        shared: field.bytes.optional(),
        parts: z.array(part).describe('Blobs and manifests.'),
        rest: rest.describe('Of its parts that are not listed.'),
      }),
    ),
    rest: rest.describe('Of the repositories that are not listed.'),
    largest: z.array(part.extend({ repository: name })).describe('Blobs and manifests of all repositories.'),
    oldest: z
      .array(
        z.strictObject({
          repository: name,
          tag: z.string(),
          digest: field.digest,
          bytes: field.bytes,
          set: field.time,
          unusedSince: field.time.describe('Since when it was neither set nor, if `knowsPulls`, pulled.'),
        }),
      )
      .describe('Tags that have been unused for the longest time, at most 100; that first.'),
    knowsPulls: z.boolean().describe('Whether pulls are recorded: only if a rule of retention depends on them.'),
    expiring: z
      .array(z.strictObject({ repository: name, tag: z.string(), digest: field.digest }))
      .describe('Tags that retention deletes within a day, as its last run announced.'),
    isComplete,
  }),
  errors: [],
});

export const sharers = endpoint({
  kind: 'api-sharers',
  path: '/api/v1/repositories/{repo}/blobs/{digest}/sharers',
  summary: 'Other repositories that have a blob or manifest of a repository',
  description: 'Those that the caller may list, at most 100.',
  params: z.strictObject({ repo: field.repo, digest: field.digestParameter }),
  query: noParameters,
  answer: z.strictObject({ repositories: z.array(name), more: z.boolean() }),
  errors: [404],
});
