import { z } from 'zod';

/** The kinds of patterns, and the form of each. */
const KINDS = {
  tag: { what: 'a tag', form: formOf('[A-Za-z0-9_.-]') },
  repository: { what: "a repository's name", form: formOf('[a-z0-9_./-]') },
  /** Names and claims from outside. The excluded characters have a meaning in some dialect of globs. */
  text: { what: 'a text', form: formOf('[^\\p{C}*?[\\]{}(),!\\\\]') },
} as const;

/** @param letters a class of the characters that a pattern may have besides wildcards, with the "-" of ranges */
function formOf(letters: string): RegExp {
  // A run of "*" can be read in one way only, so the check does not backtrack.
  const atom = `(?:${letters}|\\*{1,2}(?!\\*)|\\?|\\[\\^?${letters}+\\])`;
  return new RegExp(`^(?:${atom}|\\{${atom}*(?:,${atom}*)+\\})+$`, 'u');
}

const MAX_CHARACTERS = 256;
/** Of the words in braces. Strangers send patterns too, and a matcher may try all combinations. */
const MAX_COMBINATIONS = 64;

/**
 * Why a text cannot be used as a pattern; undefined if it can. A pattern with a typo would silently match nothing, and tags that no
 * pattern keeps may be deleted. So malformed patterns are refused.
 */
export function problemOfPattern(kind: keyof typeof KINDS, text: string): string | undefined {
  const { what, form } = KINDS[kind];
  if (text === '') return 'the pattern must not be empty';
  if (text.length > MAX_CHARACTERS) return `a pattern has at most ${MAX_CHARACTERS} characters`;
  if (text.startsWith('!'))
    return `a pattern cannot be negated${kind === 'tag' ? '; for immutable tags there is `except`' : ''}`;
  if (form.test(text)) {
    if (combinationsOf(text) <= MAX_COMBINATIONS) return undefined;
    return `the words in braces have more than ${MAX_COMBINATIONS} combinations: write several patterns, or use *`;
  }
  return `${JSON.stringify(text)} is not a pattern for ${what}: only its characters, *, **, ?, [a-z], [^a-z] and {one,other} are allowed`;
}

/** How many texts without braces a well-formed pattern stands for. */
function combinationsOf(text: string): number {
  return [...text.matchAll(/\{[^}]*\}/g)].reduce((product, [group]) => product * group.split(',').length, 1);
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
 * `{a,b}` one of several. Matching does not backtrack over nested repetitions, and the combinations of words are
 * bounded, so no pattern is slow.
 */
export class Patterns {
  /** As they were written. */
  readonly texts: readonly string[];
  readonly #globs: readonly Bun.Glob[];

  /** @param texts for which `problemOfPattern` found no problem */
  constructor(texts: readonly string[]) {
    this.texts = texts;
    // In Bun's globs [^a] matches "/" too.
    this.#globs = texts.map((text) => new Bun.Glob(text.replaceAll('[^', '[^/')));
  }

  matches(text: string): boolean {
    return this.#globs.some((glob) => glob.match(text));
  }
}
