import { FileProblem } from '../reloaded-file.ts';
import { nameInLogin } from '../robots/robot.ts';
import { type PasswordHash, parsePasswordHash } from './password-hash.ts';

/** An unusable HTPASSWD_FILE. The message is one line that gives the line number, and never the line's content. */
export class HtpasswdError extends FileProblem {
  override readonly name = 'HtpasswdError';
}

export interface Account {
  readonly name: string;
  readonly hash: PasswordHash;
}

export const MAX_HTPASSWD_BYTES = 2 * 1024 * 1024;
const MAX_ACCOUNTS = 10_000;
const MAX_NAME_CHARACTERS = 255;
const MAX_LINE_CHARACTERS = 1_000;

/**
 * Parses the accounts of an HTPASSWD_FILE: lines of `name:hash`, empty lines, and comments that begin with `#`. Spaces around a
 * line are ignored, as in other registries.
 * @returns the accounts by name, in the file's order
 * @throws HtpasswdError for the first line that is not accepted
 */
export function parseHtpasswd(text: string): ReadonlyMap<string, Account> {
  if (Buffer.byteLength(text) > MAX_HTPASSWD_BYTES)
    throw new HtpasswdError(`it is longer than ${MAX_HTPASSWD_BYTES} bytes`);
  const accounts = new Map<string, Account>();
  const lineOf = new Map<string, number>();
  for (const [index, raw] of text.split('\n').entries()) {
    const number = index + 1;
    const account = parseLine(raw, number);
    if (account === undefined) continue;
    const first = lineOf.get(account.name);
    if (first !== undefined)
      throw new HtpasswdError(`line ${number}: line ${first} has the same name: remove one of them`);
    if (accounts.size === MAX_ACCOUNTS)
      throw new HtpasswdError(`line ${number}: at most ${MAX_ACCOUNTS} accounts are allowed`);
    accounts.set(account.name, account);
    lineOf.set(account.name, number);
  }
  return accounts;
}

function parseLine(raw: string, number: number): Account | undefined {
  if (raw.length > MAX_LINE_CHARACTERS)
    throw new HtpasswdError(`line ${number}: it is longer than ${MAX_LINE_CHARACTERS} characters`);
  const parts = partsOf(raw);
  if (parts === undefined) return undefined;
  const { name, hash: text } = parts;
  if (text === undefined) throw new HtpasswdError(`line ${number}: it has no colon: name:hash is expected`);
  const problem = problemOfName(name);
  if (problem !== undefined) throw new HtpasswdError(`line ${number}: its name ${problem}`);
  const hash = parsePasswordHash(text);
  if (typeof hash === 'string')
    throw new HtpasswdError(
      `line ${number}: ${hash}: set its password again with "marina user passwd" or "htpasswd -B"`,
    );
  return { name, hash };
}

/**
 * Splits a line into name and hash, without validating them.
 * @returns undefined for an empty line or a comment; an undefined hash if the line has no colon
 */
export function partsOf(raw: string): { readonly name: string; readonly hash: string | undefined } | undefined {
  const line = raw.trim();
  if (line === '' || line.startsWith('#')) return undefined;
  const colon = line.indexOf(':');
  return colon < 0 ? { name: line, hash: undefined } : { name: line.slice(0, colon), hash: line.slice(colon + 1) };
}

/** Why an account cannot have this name, as the end of a sentence; undefined if it can. */
export function problemOfName(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (name.length > MAX_NAME_CHARACTERS) return `has more than ${MAX_NAME_CHARACTERS} characters`;
  if (name.includes(':')) return 'has a colon';
  if (name.includes('\ufffd')) return 'is not valid UTF-8';
  // Invisible characters are refused too: two accounts must not look alike.
  if (/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)) return 'has control characters';
  if (name !== name.trim()) return 'has a space at its beginning or end';
  if (name.startsWith('#')) return 'begins with "#", as comments do';
  if (nameInLogin(name) !== undefined) return 'begins with "robot+", as only robots do';
  return undefined;
}
