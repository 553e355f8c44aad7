import { partsOf } from './htpasswd.ts';

/** Sets the hash of an account: in its existing line, or in a new last line. The rest of the text is unchanged. */
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

/** Removes the lines of an account. @returns undefined if there are none */
export function withoutAccount(text: string, name: string): string | undefined {
  const lines = text.split('\n');
  const kept = lines.filter((line) => partsOf(line)?.name !== name);
  return kept.length === lines.length ? undefined : kept.join('\n');
}

export function hasAccount(text: string, name: string): boolean {
  return text.split('\n').some((line) => partsOf(line)?.name === name);
}
