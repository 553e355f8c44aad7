/*
 * How well something matches, from 0 to 100: a repository by its name before a tag by its name, before a label; the whole name before
 * its beginning, before any part. Of equal ones the newer comes first.
 */

/** Where words begin in names. */
const BEGINS_WORD = /[/._-]/;

/** @param name of a repository @param words which it has @returns the rank of the worst word */
export function rankRepository(name: string, words: readonly string[]): number {
  return words.reduce((worst, word) => Math.min(worst, rankWord(name, word)), 100);
}

function rankWord(name: string, word: string): number {
  if (name === word) return 100;
  const last = name.slice(name.lastIndexOf('/') + 1);
  if (last === word) return 95;
  if (last.startsWith(word)) return 90;
  if (name.startsWith(word)) return 80;
  const at = name.indexOf(word);
  return at > 0 && BEGINS_WORD.test(name.charAt(at - 1)) ? 75 : 70;
}

/** @param tag in lower case */
export function rankTag(tag: string, word: string): number {
  if (tag === word) return 85;
  return tag.startsWith(word) ? 60 : 50;
}

export const RANK_DIGEST = 92;

/** @param value in lower case */
export function rankLabel(value: string, words: readonly string[]): number {
  const text = words.join(' ');
  if (value === text) return 45;
  return value.startsWith(text) ? 40 : 30;
}
