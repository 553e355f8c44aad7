/** Deeper than any real manifest, far below what could exhaust a stack. */
const MAX_DEPTH = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Parses JSON as a registry must: two readers of the same bytes must see the same manifest, so duplicate keys, the key
 * __proto__, invalid UTF-8, halves of surrogate pairs, a byte order mark and absurd nesting are refused, where JSON.parse alone
 * would quietly choose.
 * @returns the value, or a sentence that says what is wrong.
 */
export function parseStrictJson(bytes: Uint8Array): { value: unknown } | { problem: string } {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { problem: 'the bytes are not UTF-8' };
  }
  // Depth first: JSON.parse recurses, and a megabyte of brackets must not reach it.
  const deepest = depthOf(text);
  if (deepest > MAX_DEPTH) return { problem: `nested deeper than ${MAX_DEPTH} levels` };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { problem: 'the bytes are not valid JSON' };
  }
  const problem = findAmbiguity(text);
  return problem === undefined ? { value } : { problem };
}

function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) i = endOfString(text, i);
    else if (c === 0x7b || c === 0x5b) deepest = Math.max(deepest, ++depth);
    else if (c === 0x7d || c === 0x5d) depth--;
  }
  return deepest;
}

/** The index of the closing quote of the string that opens at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === BACKSLASH) i++;
    else if (c === QUOTE) return i;
  }
  return text.length;
}

/** For text that JSON.parse accepted: the first key that its object already has, string that is no text, or trap. */
function findAmbiguity(text: string): string | undefined {
  const objects: (Set<string> | undefined)[] = [];
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x7b) objects.push(new Set());
    else if (c === 0x5b) objects.push(undefined);
    else if (c === 0x7d || c === 0x5d) objects.pop();
    else if (c === QUOTE) {
      const end = endOfString(text, i);
      const literal = text.slice(i, end + 1);
      if (!isText(literal)) return 'a string has half of a surrogate pair';
      const keys = objects[objects.length - 1];
      if (keys !== undefined && isKey(text, end)) {
        const key = String(JSON.parse(literal));
        if (keys.has(key)) return `the key ${JSON.stringify(key)} appears twice in one object`;
        // Readers in JavaScript lose it, or take it for something else.
        if (key === '__proto__') return 'no key may be __proto__';
        keys.add(key);
      }
      i = end;
    }
  }
  return undefined;
}

/** The bytes are UTF-8, so that only escapes can make half of a pair. */
function isText(literal: string): boolean {
  return !literal.includes('\\u') || String(JSON.parse(literal)).isWellFormed();
}

function isKey(text: string, closingQuote: number): boolean {
  for (let i = closingQuote + 1; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x3a) return true;
    if (c !== 0x20 && c !== 0x09 && c !== 0x0a && c !== 0x0d) return false;
  }
  return false;
}
