/** What a pattern may be made of beside wildcards, and how one of that kind is called. */
const KINDS = {
  tag: { letters: '[A-Za-z0-9_.-]', what: 'a tag' },
  repository: { letters: '[a-z0-9_./-]', what: "a repository's name" },
} as const;

const MOST_CHARACTERS = 256;

/**
 * Why a text is no usable pattern. One with a slip in it would match nothing without a word, and what no pattern keeps may be
 * deleted: so anything that is not well-formed is refused.
 */
export function problemOfPattern(kind: keyof typeof KINDS, text: string): string | undefined {
  const { letters, what } = KINDS[kind];
  if (text === '') return 'a pattern is expected, not an empty text';
  if (text.length > MOST_CHARACTERS) return `a pattern has at most ${MOST_CHARACTERS} characters`;
  if (text.startsWith('!')) return 'a pattern cannot be negated; for immutable tags there is `except`';
  const atom = `(?:${letters}|\\*{1,2}|\\?|\\[\\^?(?:${letters}(?:-${letters})?)+\\])`;
  const whole = new RegExp(`^(?:${atom}|\\{${atom}*(?:,${atom}*)+\\})+$`);
  if (whole.test(text) && !text.includes('***')) return undefined;
  return `${JSON.stringify(text)} is no pattern for ${what}: its letters, *, **, ?, [a-z], [^a-z] and {one,other} can be used`;
}

/**
 * Some globs, each of which has to match the whole text: `*` is any number of characters but `/`, `**` as a whole component any
 * number of components, `?` one character, `[…]` one of some, `{a,b}` either. They are matched without backtracking of nested
 * repetitions, so that no pattern is slow.
 */
export class Patterns {
  readonly #globs: readonly Bun.Glob[];

  /** @param texts for which there is no problem */
  constructor(texts: readonly string[]) {
    this.#globs = texts.map((text) => new Bun.Glob(text));
  }

  matches(text: string): boolean {
    return this.#globs.some((glob) => glob.match(text));
  }
}
