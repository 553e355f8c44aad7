/** Deeper than any real manifest, and far too shallow to exhaust the stack. */
const MAX_DEPTH = 64;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const LOWER_D = 0x64;
const LOWER_U = 0x75;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Limits what is expensive to parse. A value costs about the same whether it is `0` or a long string. */
export interface JsonLimits {
  /** The root, and every member and element in it, at any depth. */
  readonly values: number;
  /** Escape sequences in strings. */
  readonly escapes: number;
}

const NO_LIMITS: JsonLimits = { values: Number.POSITIVE_INFINITY, escapes: Number.POSITIVE_INFINITY };

/**
 * Parses JSON strictly, so that two readers of the same bytes see the same manifest. Duplicate keys, the key __proto__, invalid
 * UTF-8, lone surrogates, a byte order mark and deep nesting are refused; JSON.parse alone accepts some of them silently.
 * @returns the value, or a sentence that says what is wrong
 */
export function parseStrictJson(bytes: Uint8Array): StrictJson {
  return finish(strictJsonSteps(bytes, NO_LIMITS));
}

export type StrictJson = { readonly value: unknown } | { readonly problem: string };

/** Work that can be interrupted: at each `yield` the caller may run something else first. */
export type Steps<T> = Generator<void, T, void>;

/** Runs all steps without interruption. */
export function finish<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** Like `parseStrictJson`, in steps. One pass over the bytes checks the limits before anything is allocated. */
export function* strictJsonSteps(bytes: Uint8Array, limits: JsonLimits): Steps<StrictJson> {
  const survey = surveyOf(bytes, limits);
  if ('problem' in survey) return survey;
  yield;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { problem: 'the bytes are not UTF-8' };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { problem: 'the bytes are not valid JSON' };
  }
  yield;
  const keys = { count: 0 };
  const trap = findTrap(value, keys, survey.mayBeIllFormed);
  if (trap !== undefined) return { problem: trap };
  // Each member has one colon, and JSON.parse keeps only one of several equal keys: fewer keys than colons mean a duplicate.
  if (keys.count === survey.members) return { value };
  yield;
  return { problem: nameDuplicate(text) };
}

interface Survey {
  /** Colons outside of strings. */
  readonly members: number;
  /** Whether an escape may be a lone surrogate. */
  readonly mayBeIllFormed: boolean;
}

/** Classes of bytes outside strings. In UTF-8 none of these bytes is part of another character. */
const BLANK = 1;
const SYNTAX = 2;
const KIND = new Uint8Array(256);
for (const blank of [0x20, 0x09, 0x0a, 0x0d]) KIND[blank] = BLANK;
for (const c of [QUOTE, COMMA, COLON, OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE]) KIND[c] = SYNTAX;

/** Scans the bytes once. The counts are meaningful only if the text turns out to be valid JSON. */
function surveyOf(bytes: Uint8Array, limits: JsonLimits): Survey | { problem: string } {
  const { length } = bytes;
  let [values, escapes, members, depth] = [1, 0, 0, 0];
  /** Whether the innermost object or array is still empty: its first value does not follow a comma. */
  let isEmpty = false;
  let mayBeIllFormed = false;
  for (let i = 0; i < length; i++) {
    const c = bytes[i] ?? 0;
    const kind = KIND[c];
    if (kind === BLANK) continue;
    const isFirst = isEmpty && c !== CLOSE_BRACE && c !== CLOSE_BRACKET;
    isEmpty = c === OPEN_BRACE || c === OPEN_BRACKET;
    if ((isFirst || c === COMMA) && ++values > limits.values) return tooManyValues(limits);
    if (kind !== SYNTAX) continue;
    switch (c) {
      case QUOTE:
        for (i++; i < length && bytes[i] !== QUOTE; i++) {
          if (bytes[i] !== BACKSLASH) continue;
          if (++escapes > limits.escapes) return { problem: `its strings have more than ${limits.escapes} escapes` };
          i++;
          // \ud800 to \udfff are surrogates; \ud000 to \ud7ff are harmless, but are not worth another comparison.
          if (bytes[i] === LOWER_U && ((bytes[i + 1] ?? 0) | 0x20) === LOWER_D) mayBeIllFormed = true;
        }
        break;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        // JSON.parse is recursive: a megabyte of brackets must not reach it.
        if (++depth > MAX_DEPTH) return { problem: `it is nested deeper than ${MAX_DEPTH} levels` };
        break;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        depth--;
        break;
      case COLON:
        members++;
        break;
      default:
    }
  }
  return { members, mayBeIllFormed };
}

function tooManyValues({ values }: JsonLimits): { problem: string } {
  return { problem: `it has more than ${values} values` };
}

/** Counts the keys of all objects. @returns a problem with a key or a string, if there is one */
function findTrap(value: unknown, keys: { count: number }, mayBeIllFormed: boolean): string | undefined {
  if (typeof value === 'string') return mayBeIllFormed && !value.isWellFormed() ? ILL_FORMED : undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  let parts: readonly unknown[];
  if (Array.isArray(value)) parts = value;
  else {
    const names = Object.keys(value);
    keys.count += names.length;
    // JavaScript readers may drop this key or set the prototype instead.
    if (Object.hasOwn(value, '__proto__')) return 'no key may be __proto__';
    if (mayBeIllFormed && names.some((name) => !name.isWellFormed())) return ILL_FORMED;
    parts = Object.values(value);
  }
  for (const part of parts) {
    const trap = findTrap(part, keys, mayBeIllFormed);
    if (trap !== undefined) return trap;
  }
  return undefined;
}

const ILL_FORMED = 'a string has a lone surrogate';

/** Finds the duplicate key in JSON that has one. */
function nameDuplicate(text: string): string {
  const objects: (Set<string> | undefined)[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === OPEN_BRACE) objects.push(new Set());
    else if (c === OPEN_BRACKET) objects.push(undefined);
    else if (c === CLOSE_BRACE || c === CLOSE_BRACKET) objects.pop();
    else if (c === QUOTE) {
      const end = endOfString(text, i);
      const keys = objects[objects.length - 1];
      if (keys !== undefined && isKey(text, end)) {
        const key = String(JSON.parse(text.slice(i, end + 1)));
        if (keys.has(key)) return `the key ${JSON.stringify(key)} appears twice in one object`;
        keys.add(key);
      }
      i = end;
    }
  }
  return 'a key appears twice in one object';
}

/** The index of the quote that closes the string starting at `start`, or the length of the text. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === BACKSLASH) i++;
    else if (c === QUOTE) return i;
  }
  return text.length;
}

function isKey(text: string, closingQuote: number): boolean {
  for (let i = closingQuote + 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === COLON) return true;
    if (c !== 0x20 && c !== 0x09 && c !== 0x0a && c !== 0x0d) return false;
  }
  return false;
}
