import { z } from 'zod';
import { CHANGE_TYPES, type ChangeType, parseChangeType } from '../../feed/change.ts';
import { parseSince, SINCE_FORMS } from '../../feed/feed.ts';
import { parseDigest } from '../../oci/digest.ts';
import { parseRepositoryName, parseTag } from '../../oci/names.ts';
import { ADDRESS_FORMS, parseAddress } from '../../past/comparable.ts';
import { DIFF_SIDE_FORMS, parseDiffSide } from '../../past/diff-side.ts';
import { MOMENT_FORMS, parseMoment } from '../../past/moment.ts';
import type { Reference } from '../../registry/interface.ts';
import { problemOfPattern } from '../../rule-file/patterns.ts';

/** The parameters and fields of /api/v1. Descriptions are for the OpenAPI document. */

/** A text that a function of the domain parses. A default of it is `prefault`, a text: the OpenAPI document has the form that callers write. */
export function text<T>(parse: (text: string) => T | undefined, forms: string) {
  return z.string().transform((value, context) => {
    const found = parse(value);
    if (found !== undefined) return found;
    context.addIssue({ code: 'custom', message: `${forms} is expected` });
    return z.NEVER;
  });
}

/** Parameters. */
export const repo = text(parseRepositoryName, 'a repository name').describe(
  'Name of the repository. Its slashes are part of the path and must not be percent-encoded. A slash after the name ends it: repositories/a/diff/ is the repository a/diff.',
);
export const repositoryName = text(parseRepositoryName, 'a repository name');
export const tag = text(parseTag, 'a tag').describe('A tag.');
export const moment = text(parseMoment, MOMENT_FORMS).describe(
  'A moment: a slot number, or a time in ISO 8601. A time to the second is the end of that second, a date the end of that day in UTC.',
);
export const diffSide = text(parseDiffSide, DIFF_SIDE_FORMS).describe(
  'One side: a moment, a tag (tag:12 if it reads as a moment), or a digest; a tag or digest may be followed by @ and a moment.',
);
export const digestParameter = text(parseDigest, 'a digest');
export const reference = text(parseReference, 'a tag or a digest').describe('A tag or a digest.');
export const manifestAddress = text(parseAddress, ADDRESS_FORMS).describe(
  'A repository with a tag, team/app:v1, or with a digest, team/app@sha256:…. Followed by @ and a moment, as it was: team/app:v1@2026-11-28.',
);

/** Characters of a text that is looked for. */
const MAX_SEARCH = 256;

export const search = text(
  (value) => (value.length <= MAX_SEARCH ? value : undefined),
  `a text of at most ${MAX_SEARCH} characters`,
);
export const offset = text((value) => (/^\d{1,9}$/.test(value) ? Number(value) : undefined), 'a number')
  .prefault('0')
  .describe('How many items to skip; `next` of the page before.');

function parseReference(value: string): Reference | undefined {
  const digest = parseDigest(value);
  if (digest !== undefined) return { kind: 'digest', digest };
  const tag = parseTag(value);
  return tag === undefined ? undefined : { kind: 'tag', tag };
}

/** One of several words; the first is used if there is none. */
export function oneOf<const Word extends string>(words: readonly [Word, ...Word[]]) {
  return z
    .enum(words)
    .default(words[0])
    .describe(`${words.join(', ')}; ${words[0]} by default.`);
}

export function count(fallback: number, max: number) {
  const forms = `a number from 1 to ${max}`;
  const parse = (value: string): number | undefined =>
    /^[1-9]\d{0,8}$/.test(value) && Number(value) <= max ? Number(value) : undefined;
  return text(parse, forms)
    .prefault(`${fallback}`)
    .describe(`The most items of a list, ${forms}; ${fallback} by default.`);
}

export const afterSlot = text((value) => (/^\d{1,15}$/.test(value) ? Number(value) : undefined), 'a slot number')
  .prefault('0')
  .describe('The slot after which the page begins; `next` of the page before.');

export const since = text(parseSince, SINCE_FORMS)
  .prefault('beginning')
  .describe(
    `Where to begin: ${SINCE_FORMS}; beginning by default. From a time on, up to some seconds before it may come too.`,
  );

export const repositoryGlob = z
  .string()
  .superRefine((value, context) => {
    const problem = problemOfPattern('repository', value);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  })
  .describe('Only repositories whose names match this glob, such as team/**.');

export const changeTypes = text(
  parseChangeTypes,
  `one or more of ${CHANGE_TYPES.join(', ')}, with commas between them,`,
).describe(`Only changes of these types, with commas between them: ${CHANGE_TYPES.join(', ')}.`);

function parseChangeTypes(value: string): readonly ChangeType[] | undefined {
  const types = value.split(',').map(parseChangeType);
  return types.every((type) => type !== undefined) ? types : undefined;
}

const MAX_WAIT_S = 60;

export const wait = text((value) => {
  const [, seconds] = /^(\d{1,2})s?$/.exec(value) ?? [];
  return seconds !== undefined && Number(seconds) <= MAX_WAIT_S ? Number(seconds) : undefined;
}, `a time from 0s to ${MAX_WAIT_S}s`)
  .prefault('0s')
  .describe(`How long to wait for a change if there is none, from 0s to ${MAX_WAIT_S}s; 0s by default.`);

/** Fields of answers. */
export const contentKind = z
  .enum(['image', 'index', 'helm-chart', 'wasm', 'model', 'signature', 'sbom', 'attestation', 'readme', 'artifact'])
  .describe('What it is to people, judged by its media types.');
export const digest = z.string().describe('A digest, such as sha256:….');
export const time = z.string().describe('ISO 8601, UTC.');
export const wholeNumber = z.int().nonnegative();
export const bytes = z.int().nonnegative();
export const seq = z.int().nonnegative().describe('Number of a slot of the log; 0 before the first one.');
