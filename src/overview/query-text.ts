/** What a search looks for. */
export interface Query {
  /** In lower case, without duplicates. All of them must be found. */
  readonly words: readonly string[];
  /** The beginning of a digest: at least six hexadecimal digits, with or without `sha256:` or `sha512:` before them. */
  readonly digest: string | undefined;
}

const MAX_CHARACTERS = 256;
const MAX_WORDS = 8;
/** Fewer digits would be found in half of all names, and in too many digests. */
const DIGEST = /^(?:sha(?:256|512):)?[a-f0-9]{6,128}$/;
/** `team/app:v1`, `team/app@sha256:…` */
const ADDRESS =
  /^(?<repository>[a-z0-9][a-z0-9._/-]*)(?::(?<tag>[\w.-]+))?(?:@(?<digest>sha(?:256|512):[a-f0-9]{0,128}))?$/;

/** Pure. */
export function parseQuery(text: string): Query {
  const found = new Set<string>();
  let digest: string | undefined;
  for (const part of text
    .slice(0, MAX_CHARACTERS)
    .toLowerCase()
    .split(/[\s\p{Cc}]+/u)) {
    if (part === '') continue;
    if (DIGEST.test(part)) digest ??= part;
    // A short number of a commit may be a tag, too.
    if (/^sha(?:256|512):/.test(part)) continue;
    const address = ADDRESS.exec(part)?.groups;
    if (address?.digest !== undefined && DIGEST.test(address.digest)) digest ??= address.digest;
    const words = address?.repository === undefined ? [part] : [address.repository, address.tag ?? ''];
    for (const word of words) if (word !== '') found.add(word);
  }
  return { words: [...found].slice(0, MAX_WORDS), digest };
}

/** A text for LIKE … ESCAPE '\', in which it stands for itself. */
export function likePattern(text: string): string {
  return `%${text.replace(/[\\%_]/g, '\\$&')}%`;
}

/** The end of the range of all texts that begin with a text. */
export function endOfPrefix(prefix: string): string {
  return `${prefix}\u{10ffff}`;
}

/** Words for MATCH, as texts that stand for themselves, all of which must be found. */
export function matchAll(words: readonly string[]): string {
  return words.map((word) => `"${word.replaceAll('"', '""')}"`).join(' ');
}
