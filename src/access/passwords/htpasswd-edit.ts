import { partsOf } from './htpasswd.ts';

/** The text of an HTPASSWD_FILE with this hash as the account's: in the line that it has, or in a new last one. All else stays. */
export function withAccount(text: string, name: string, hash: string): string {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => partsOf(line)?.name === name);
  if (at >= 0) {
    const ending = lines[at]?.endsWith('\r') === true ? '\r' : '';
    return lines.with(at, `${name}:${hash}${ending}`).join('\n');
  }
  const before = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  return `${before}${name}:${hash}\n`;
}

/** The text without the lines of this account. @returns undefined if it has none */
export function withoutAccount(text: string, name: string): string | undefined {
  const lines = text.split('\n');
  const kept = lines.filter((line) => partsOf(line)?.name !== name);
  return kept.length === lines.length ? undefined : kept.join('\n');
}

export function hasAccount(text: string, name: string): boolean {
  return text.split('\n').some((line) => partsOf(line)?.name === name);
}
