import { z } from 'zod';

/**
 * A schema for texts that a parser accepts. Its output has the parser's branded type.
 * @param what for the message, such as `a digest`
 */
export function branded<T>(parse: (text: string) => T | undefined, what: string): z.ZodType<T, string> {
  return z.string().transform((text, context): T => {
    const parsed = parse(text);
    if (parsed !== undefined) return parsed;
    context.addIssue({ code: 'custom', message: `is not ${what}` });
    return z.NEVER;
  });
}
