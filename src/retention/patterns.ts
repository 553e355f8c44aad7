/** The characters a pattern may have besides wildcards, and the kind of name it matches. */
const KINDS = {
  tag: { letters: '[A-Za-z0-9_.-]', what: 'a tag' },
  repository: { letters: '[a-z0-9_./-]', what: "a repository's name" },
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
  if (text.startsWith('!')) return 'a pattern cannot be negated; for immutable tags there is `except`';
  const atom = `(?:${letters}|\\*{1,2}|\\?|\\[\\^?(?:${letters}(?:-${letters})?)+\\])`;
  const whole = new RegExp(`^(?:${atom}|\\{${atom}*(?:,${atom}*)+\\})+$`);
  if (whole.test(text) && !text.includes('***')) return undefined;
  return `${JSON.stringify(text)} is no pattern for ${what}: its letters, *, **, ?, [a-z], [^a-z] and {one,other} can be used`;
}

/**
 * Globs, each of which must match the whole text: `*` is any number of characters except `/`, `**` as a whole component is any
 * number of components, `?` is one character, `[…]` one of a set, `{a,b}` one of several. Matching does not backtrack over nested
 * repetitions, so no pattern is slow.
 */
export class Patterns {
  readonly #globs: readonly Bun.Glob[];

  /** @param texts for which `problemOfPattern` found no problem */
  constructor(texts: readonly string[]) {
    this.#globs = texts.map((text) => new Bun.Glob(text));
  }

  matches(text: string): boolean {
    return this.#globs.some((glob) => glob.match(text));
  }
}
