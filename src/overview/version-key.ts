/** `1`, `v1.2`, `1.2.3-rc.1+build`, as tags are written. */
const VERSION =
  /^v?(\d{1,15})(?:\.(\d{1,15}))?(?:\.(\d{1,15}))?(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:[+_][0-9A-Za-z.-]+)?$/;
const DIGITS = 15;
/** Sorts before every character of an identifier. */
const SEPARATOR = '\u0001';
/** Sorts behind every pre-release. */
const RELEASE = '~';

/**
 * A text whose order is that of Semantic Versioning, for a tag that is a version. Missing numbers count as 0, and build metadata,
 * which tags write with an underscore, does not count. Pure.
 * @returns undefined for other tags
 */
export function versionKey(tag: string): string | undefined {
  const found = VERSION.exec(tag);
  if (found === null) return undefined;
  const [, major = '', minor = '', patch = '', before] = found;
  const numbers = [major, minor, patch].map((each) => each.padStart(DIGITS, '0')).join('');
  return numbers + (before === undefined ? RELEASE : `-${before.split('.').map(identifierKey).join(SEPARATOR)}`);
}

/** "Numeric identifiers always have lower precedence than non-numeric identifiers." */
function identifierKey(identifier: string): string {
  return /^\d+$/.test(identifier) ? `0${identifier.padStart(DIGITS, '0')}` : `1${identifier}`;
}
