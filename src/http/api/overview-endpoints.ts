import { z } from 'zod';
import { endpoint } from './endpoint.ts';
import * as field from './fields.ts';

const PAGE = 50;
const MAX_PAGE = 500;
/** Tags of one page: a page of people filters them without asking again. */
const MAX_TAGS = 1_000;
const MAX_STORAGE = 200;

const noParameters = z.strictObject({});
const isComplete = z.boolean().describe('Whether every repository is in the index: false for a while after the start.');
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
      repositories: field.bytes,
      tags: field.bytes,
      digests: field.bytes,
      labels: field.bytes,
    }),
    isCut: z.boolean().describe('Whether there are so many that not all were ranked.'),
    isComplete,
    next: field.bytes.optional().describe('`after` of the next page; absent on the last one.'),
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
        tags: field.bytes,
        bytes: field.bytes.describe('Of all its blobs and manifests.'),
        shared: field.bytes
          .optional()
          .describe(
            'Of those that another repository has, too, as far as the caller may see; absent if there are too many.',
          ),
        pushed: z.strictObject({ at: field.time, by: optionalText }).optional(),
        pushes: z.array(field.bytes).describe('Pushes on each of the last 30 days, in UTC, the oldest first.'),
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
    count: field.bytes.describe('How many match.'),
    folded: field.bytes.describe('How many were left out because they attach something.'),
    isComplete,
    next: field.bytes.optional().describe('`after` of the next page; absent on the last one.'),
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
    repositories: field.bytes,
    tags: field.bytes,
    bytes: field.bytes.describe('As if nothing were shared.'),
    stored: field.bytes.optional().describe('Each blob and manifest once; absent if there are too many to find out.'),
    garbage: z
      .strictObject({ objects: field.bytes, bytes: field.bytes, at: field.time })
      .optional()
      .describe('What the last collection left for a later one. Only for callers who may list all repositories.'),
    isComplete,
  }),
  errors: [],
});

const part = z.strictObject({
  digest: field.digest,
  bytes: field.bytes,
  sharedWith: field.bytes
    .optional()
    .describe('Other repositories that have it, counted up to 100; absent if finding out would take too long.'),
});
const rest = z.strictObject({ count: field.bytes, bytes: field.bytes });

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

const optionalTime = field.time.optional();

export const retention = endpoint({
  kind: 'api-retention',
  path: '/api/v1/repositories/{repo}/retention',
  summary: 'Why the rule of a repository keeps its tags, and what goes when',
  description:
    'As RETENTION_FILE says now. Those that go first come first. A pushed or pulled tag may be kept for longer, and a newer tag may end what `newest` keeps.',
  params: z.strictObject({ repo: field.repo }),
  query: z.strictObject({
    q: field.search.optional().describe('Only tags that have this text, in any case.'),
    after: field.offset,
    n: field.count(100, MAX_TAGS),
  }),
  answer: z.strictObject({
    repository: name,
    rule: optionalText.describe('Absent if no rule applies: then nothing is deleted.'),
    tags: z.array(
      z.strictObject({
        tag: z.string(),
        digest: field.digest,
        pushed: field.time,
        immutable: z.boolean(),
        kept: z.boolean().describe('Whether a run now would keep it.'),
        keptBy: z.array(
          z.strictObject({
            entry: field.bytes.describe('Number of the entry of `keep` in the rule, from 1.'),
            which: z.enum(['all', 'newest', 'pushed-within', 'pulled-within']),
            until: optionalTime.describe('Absent if no time ends it.'),
          }),
        ),
        until: optionalTime.describe('After which time it goes; absent if no time ends it.'),
      }),
    ),
    count: field.bytes.describe('How many tags match.'),
    going: field.bytes.describe('How many of them a run now would delete.'),
    untagged: z
      .strictObject({
        manifests: z.array(z.strictObject({ digest: field.digest, since: field.time, bytes: field.bytes })),
        count: field.bytes,
        bytes: field.bytes,
      })
      .describe('Untagged manifests that a run now would delete; at most 100 are listed.'),
    next: field.bytes.optional().describe('`after` of the next page; absent on the last one.'),
  }),
  errors: [404],
});

const entry = z.strictObject({
  tags: z.array(z.string()).describe('Globs.'),
  keeps: z.enum(['all', 'newest', 'pushed-within', 'pulled-within']),
  count: field.bytes.optional().describe('Of `newest`.'),
  milliseconds: field.bytes.optional().describe('Of `pushed-within` and `pulled-within`.'),
  tagsKept: field.bytes.describe('How many tags it keeps; several entries may keep the same tag.'),
});

export const retentionOutlook = endpoint({
  kind: 'api-retention-outlook',
  path: '/api/v1/retention',
  summary: 'What retention takes next from all repositories, and what each rule keeps',
  description:
    'Of the repositories that the caller may list, as it was found out at `computed`: by the last run of retention, or by a look in the background, which a request starts if the last one is older than ten minutes. Absent parts were never found out, or no rule deletes.',
  params: noParameters,
  query: z.strictObject({ n: field.count(100, MAX_TAGS) }),
  answer: z.strictObject({
    hasRules: z.boolean().describe('Whether a rule deletes anything.'),
    computed: optionalTime,
    rules: z.array(
      z.strictObject({
        name,
        repositories: field.bytes,
        tags: field.bytes,
        going: field.bytes.describe('Tags that a run deletes.'),
        immutable: field.bytes,
        keep: z.array(entry).optional().describe('Absent if the rule keeps all tags.'),
        untagged: z
          .strictObject({ count: field.bytes, bytes: field.bytes })
          .describe('Manifests without a tag that a run deletes.'),
      }),
    ),
    tags: z
      .array(
        z.strictObject({
          repository: name,
          tag: z.string(),
          digest: field.digest,
          goes: z
            .enum(['now', 'at', 'push'])
            .describe('`now`: by the next run. `push`: when another tag that its entry names is pushed.'),
          at: optionalTime,
          rule: name,
          entry: field.bytes.optional().describe('Number of the entry of `keep` that keeps it until then, from 1.'),
        }),
      )
      .describe('Those that go first, at most ten of each repository.'),
    more: z.boolean(),
  }),
  errors: [],
});

export const pins = endpoint({
  kind: 'api-pins',
  path: '/api/v1/repositories/{repo}/pins',
  summary: 'What is kept of a repository whatever is deleted',
  description:
    'Its own pins, and for callers who may administer the registry those of several repositories. A pin keeps what the repository had at a moment until it ends.',
  params: z.strictObject({ repo: field.repo }),
  query: noParameters,
  answer: z.strictObject({
    repository: name,
    pins: z
      .array(
        z.strictObject({
          id: z.string(),
          name,
          moment: field.time,
          created: field.time,
          until: field.time,
          by: z.string(),
          repositories: field.bytes.describe('How many repositories it keeps.'),
        }),
      )
      .describe('The newest first.'),
    unreadable: field.bytes.describe('Pins that this version cannot read.'),
  }),
  errors: [404],
});
