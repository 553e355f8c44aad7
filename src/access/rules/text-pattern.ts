import { Patterns, problemOfPattern } from '../../rule-file/patterns.ts';

const WILDCARD = /[*?[{]/;
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;
const MAX_CHARACTERS = 1_000;

/**
 * Matches a name or a claim from outside: exactly, or as a glob if it has one of `*?[{`. The value is untrusted, so a glob matches
 * no value with control characters or invisible characters.
 */
export class TextPattern {
  readonly text: string;
  readonly #globs: Patterns | undefined;

  /** @param text for which `problemOf` found no problem */
  constructor(text: string) {
    this.text = text;
    this.#globs = WILDCARD.test(text) ? new Patterns([text]) : undefined;
  }

  /** Why a text cannot be used as a pattern; undefined if it can. */
  static problemOf(text: string): string | undefined {
    if (text === '') return 'the text must not be empty';
    if (text.length > MAX_CHARACTERS) return `at most ${MAX_CHARACTERS} characters are expected`;
    if (UNPRINTABLE.test(text)) return 'a text without control characters is expected';
    return WILDCARD.test(text) ? problemOfPattern('text', text) : undefined;
  }

  get isExact(): boolean {
    return this.#globs === undefined;
  }

  matches(value: string): boolean {
    if (this.#globs === undefined) return value === this.text;
    return !UNPRINTABLE.test(value) && this.#globs.matches(value);
  }
}
