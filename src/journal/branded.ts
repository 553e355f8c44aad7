import { z } from 'zod';

/**
 * A schema for texts that a parser accepts. Its output has the parser's branded type. It is one check, not a text and a transformation:
 * every slot of a log has several of these, and logs are long.
 * @param what for the message, such as `a digest`
 */
export function branded<T extends string>(parse: (text: string) => T | undefined, what: string): z.ZodType<T> {
  return z.custom<T>((value) => typeof value === 'string' && parse(value) !== undefined, `is not ${what}`);
}
