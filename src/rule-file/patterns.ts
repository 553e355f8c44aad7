import { z } from 'zod';

/** The characters a pattern may have besides wildcards, and the kind of name it matches. */
const KINDS = {
  tag: { letters: '[A-Za-z0-9_.-]', what: 'a tag' },
  repository: { letters: '[a-z0-9_./-]', what: "a repository's name" },
  /** Names and claims from outside. The letters that are left out have a meaning in some dialect of globs. */
  text: { letters: '[^\\p{C}*?[\\]{}(),!\\\\]', what: 'a text' },
} as const;

const MAX_CHARACTERS = 256;

/**
 * Why a text is not a usable pattern. A pattern with a typo would silently match nothing, and tags that no pattern keeps may be
 * deleted. So everything that is not well-formed is refused.
 */
export function problemOfPattern(kind: keyof typeof KINDS, text: string): string | undefined {
  const { letters, what } = KINDS[kind];
  if (text === '') return 'a pattern is expected, not an empty text';
  if (text.length > MAX_CHARACTERS) return `a pattern has at most ${MAX_CHARACTERS} characters`;
  if (text.startsWith('!'))
    return `a pattern cannot be negated${kind === 'tag' ? '; for immutable tags there is `except`' : ''}`;
  // The letters of each kind include the "-" of ranges. A run of "*" can be read in one way only, so the check does not backtrack.
  const atom = `(?:${letters}|\\*{1,2}(?!\\*)|\\?|\\[\\^?${letters}+\\])`;
  const whole = new RegExp(`^(?:${atom}|\\{${atom}*(?:,${atom}*)+\\})+$`, 'u');
  if (whole.test(text)) return undefined;
  return `${JSON.stringify(text)} is no pattern for ${what}: its letters, *, **, ?, [a-z], [^a-z] and {one,other} can be used`;
}

/** A list of patterns in a file of rules. */
export function patterns(kind: keyof typeof KINDS): z.ZodType<string[], string[]> {
  const one = z.string().superRefine((text, context) => {
    const problem = problemOfPattern(kind, text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  });
  return z.array(one).min(1, 'at least one pattern is expected');
}

/**
 * Globs, each of which must match the whole text: `*` is any number of characters except `/`, `**` as a whole component is any
 * number of components, `?` is one character except `/`, `[…]` one of a set, `[^…]` one that is neither `/` nor in the set,
 * `{a,b}` one of several. Matching does not backtrack over nested repetitions, so no pattern is slow.
 */
export class Patterns {
  readonly #globs: readonly Bun.Glob[];

  /** @param texts for which `problemOfPattern` found no problem */
  constructor(texts: readonly string[]) {
    // In Bun's globs [^a] matches "/" too.
    this.#globs = texts.map((text) => new Bun.Glob(text.replaceAll('[^', '[^/')));
  }

  matches(text: string): boolean {
    return this.#globs.some((glob) => glob.match(text));
  }
}
