import { z } from 'zod';
import { isAlgorithm, parseDigest } from '../oci/digest.ts';
import { jsonOf } from '../oci/json.ts';
import { parseIncarnation, parseRepositoryName, parseUploadId } from '../oci/names.ts';
import type { Session } from './sessions.ts';

function named<T extends string>(parse: (text: string) => T | undefined): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    const parsed = parse(text);
    if (parsed !== undefined) return parsed;
    context.addIssue('not a name of its kind');
    return z.NEVER;
  });
}

/** A session as it is stored. */
export const sessionRecord = z
  .object({
    id: named(parseUploadId),
    repo: named(parseRepositoryName),
    actor: z.string(),
    createdAt: z.number(),
    algorithm: z.string().refine(isAlgorithm),
    offset: z.int().nonnegative(),
    digest: named(parseDigest).optional(),
    inc: named(parseIncarnation).optional(),
    state: z.string().optional(),
  })
  .transform(({ digest, inc, state, ...rest }): Session => {
    const places = { ...(inc === undefined ? {} : { inc }), ...(state === undefined ? {} : { state }) };
    return { ...rest, ...(digest === undefined ? {} : { digest }), ...places };
  });

/** undefined if the text is not a valid record. */
export function decodeRecord<T>(schema: z.ZodType<T>, text: string): T | undefined {
  return schema.safeParse(jsonOf(text)).data;
}
