import { z } from 'zod';
import { endpoint } from './endpoint.ts';
import * as field from './fields.ts';

const PAGE = 100;
const MAX_PAGE = 1_000;

const name = z.string();
const optionalText = z.string().optional();
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
    n: field.count(PAGE, MAX_PAGE),
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
            entry: field.wholeNumber.describe('Number of the entry of `keep` in the rule, from 1.'),
            which: z.enum(['all', 'newest', 'pushed-within', 'pulled-within']),
            until: optionalTime.describe('Absent if no time ends it.'),
          }),
        ),
        until: optionalTime.describe('After which time it goes; absent if no time ends it.'),
      }),
    ),
    count: field.wholeNumber.describe('How many tags match.'),
    going: field.wholeNumber.describe('How many of them a run now would delete.'),
    untagged: z
      .strictObject({
        manifests: z.array(z.strictObject({ digest: field.digest, since: field.time, bytes: field.bytes })),
        count: field.wholeNumber,
        bytes: field.bytes,
      })
      .describe('Untagged manifests that a run now would delete; at most 100 are listed.'),
    next: field.wholeNumber.optional().describe('`after` of the next page; absent on the last one.'),
  }),
  errors: [404],
});

const entry = z.strictObject({
  tags: z.array(z.string()).describe('Globs.'),
  keeps: z.enum(['all', 'newest', 'pushed-within', 'pulled-within']),
  count: field.wholeNumber.optional().describe('Of `newest`.'),
  milliseconds: field.wholeNumber.optional().describe('Of `pushed-within` and `pulled-within`.'),
  tagsKept: field.wholeNumber.describe('How many tags it keeps; several entries may keep the same tag.'),
});

export const retentionOutlook = endpoint({
  kind: 'api-retention-outlook',
  path: '/api/v1/retention',
  summary: 'What retention takes next from all repositories, and what each rule keeps',
  description:
    'Of the repositories that the caller may list, as it was at `computed`: by the last run of retention, or by a look in the background, which a request starts if the last one is older than ten minutes. Absent parts were never computed, or no rule deletes.',
  params: z.strictObject({}),
  query: z.strictObject({ n: field.count(PAGE, MAX_PAGE) }),
  answer: z.strictObject({
    hasRules: z.boolean().describe('Whether a rule deletes anything.'),
    computed: optionalTime,
    rules: z.array(
      z.strictObject({
        name,
        repositories: field.wholeNumber,
        tags: field.wholeNumber,
        going: field.wholeNumber.describe('Tags that a run deletes.'),
        immutable: field.wholeNumber,
        keep: z.array(entry).optional().describe('Absent if the rule keeps all tags.'),
        untagged: z
          .strictObject({ count: field.wholeNumber, bytes: field.bytes })
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
          entry: field.wholeNumber
            .optional()
            .describe('Number of the entry of `keep` that keeps it until then, from 1.'),
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
  query: z.strictObject({}),
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
          repositories: field.wholeNumber.describe('How many repositories it keeps.'),
        }),
      )
      .describe('The newest first.'),
    unreadable: field.wholeNumber.describe('Pins that this version cannot read.'),
  }),
  errors: [404],
});
