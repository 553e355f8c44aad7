/** JSON.parse is recursive: a megabyte of brackets must not reach it. */
const MAX_DEPTH = 128;
/** Members of one object. Ten thousands of different names in one object take JSON.parse a second. */
const MAX_MEMBERS = 20_000;

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** What is read of a JSON document. */
export interface PartialJson {
  readonly value: unknown;
}

/**
 * Parses JSON that may have been cut anywhere. Of `{"a":[1,2,{"b":` it makes `{"a":[1,2,{}]}`: every value that is whole.
 * @param isCut whether the bytes are the beginning of a longer document
 * @returns undefined if it is not JSON, or would take too long to parse
 */
export function parsePartialJson(bytes: Uint8Array, isCut: boolean): PartialJson | undefined {
  const survey = surveyOf(bytes);
  if (survey === undefined) return undefined;
  const decoder = new TextDecoder();
  try {
    const text = isCut ? decoder.decode(bytes.subarray(0, survey.whole)) + survey.closing : decoder.decode(bytes);
    return { value: JSON.parse(text) };
  } catch {
    // Anyone may push any bytes under any media type.
    return undefined;
  }
}

interface Survey {
  /** Up to here every value is whole. */
  readonly whole: number;
  /** What closes the lists and objects that are open there. */
  readonly closing: string;
}

/** Scans the bytes once. @returns undefined if they exceed a limit */
function surveyOf(bytes: Uint8Array): Survey | undefined {
  const open: { readonly closing: string; members: number }[] = [];
  // Between one of these places and the next only texts, numbers and words can stand, so what is open there is still open at the end.
  let whole = 0;
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case QUOTE:
        for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
        break;
      case OPEN_BRACKET:
      case OPEN_BRACE:
        if (open.push({ closing: bytes[at] === OPEN_BRACE ? '}' : ']', members: 1 }) > MAX_DEPTH) return undefined;
        whole = at + 1;
        break;
      case CLOSE_BRACKET:
      case CLOSE_BRACE:
        open.pop();
        whole = at + 1;
        break;
      case COMMA: {
        const innermost = open.at(-1);
        if (innermost?.closing === '}' && ++innermost.members > MAX_MEMBERS) return undefined;
        whole = at;
        break;
      }
    }
  }
  const closing = open.map((each) => each.closing).reverse();
  return { whole, closing: closing.join('') };
}
