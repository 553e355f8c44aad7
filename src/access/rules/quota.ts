import { z } from 'zod';
import { parseBytes, SIZE_FORMS } from '../../config/size.ts';
import { Patterns, patterns } from '../../rule-file/patterns.ts';

/** The resources that a quota can limit. */
export const RESOURCES = ['bytes', 'repositories', 'tags', 'slots'] as const;
export type Resource = (typeof RESOURCES)[number];

/** A limit on what all matching repositories use together. */
export interface Quota {
  /** Unique in the file. It appears in messages and metrics. */
  readonly name: string;
  /** As written in the file. */
  readonly patterns: readonly string[];
  readonly matches: (repo: string) => boolean;
  /** An absent resource has no limit. */
  readonly allowed: Readonly<Partial<Record<Resource, number>>>;
}

const size = z
  .union([z.string(), z.int().nonnegative()], `${SIZE_FORMS} is expected`)
  .transform((written, context): number => {
    const bytes = typeof written === 'number' ? written : parseBytes(written);
    if (bytes !== undefined) return bytes;
    context.addIssue({ code: 'custom', message: `${SIZE_FORMS} is expected` });
    return z.NEVER;
  });
const amount = z.int('a whole number is expected').nonnegative('a number of at least 0 is expected');

/** One entry of `quotas`. */
export const quotaShape = z
  .strictObject({
    name: z
      .string('a name is expected')
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'a name of 1 to 64 letters, digits and "._-" is expected'),
    repositories: patterns('repository'),
    allowed: z
      .strictObject({
        bytes: size.optional(),
        repositories: amount.optional(),
        tags: amount.optional(),
        slots: amount.optional(),
      })
      .refine((allowed) => Object.keys(allowed).length > 0, `at least one of ${RESOURCES.join(', ')} is expected`),
  })
  .transform(({ name, repositories, allowed }): Quota => {
    const globs = new Patterns(repositories);
    return { name, patterns: repositories, matches: (repo) => globs.matches(repo), allowed: defined(allowed) };
  });

function defined(allowed: { readonly [Name in Resource]?: number | undefined }): Quota['allowed'] {
  const given: Partial<Record<Resource, number>> = {};
  for (const resource of RESOURCES) {
    const limit = allowed[resource];
    if (limit !== undefined) given[resource] = limit;
  }
  return given;
}
