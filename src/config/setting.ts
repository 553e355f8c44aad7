import { readFileSync, statSync } from 'node:fs';
import { parseRedisUrl, REDIS_URL_FORMS, type RedisAddress } from '../projection/redis/address.ts';
import { ADDRESS_LIST_FORMS, type AddressRange, parseAddressRanges } from './address-range.ts';
import { DURATION_FORMS, parseDuration } from './duration.ts';
import { parseBytes, SIZE_FORMS } from './size.ts';

/** One environment variable, with all that docs/configuration.md says about it. */
export interface Setting<T, Fallback extends string | undefined = string | undefined> {
  readonly name: string;
  /** Alternative names of the variable. */
  readonly aliases: readonly string[];
  readonly type: string;
  /** The default, as it would be written in the environment; undefined: none. */
  readonly fallback: Fallback;
  readonly sentence: string;
  /** Whether an empty variable is a value; otherwise it counts as unset. */
  readonly takesEmpty?: boolean;
  /** Whether an error message may repeat the value. Every kind whose value could hold a secret is `never shown`. */
  readonly secrecy: Secrecy;
  /** @returns the value, or a description of what is expected instead */
  readonly parse: (text: string) => { readonly value: T } | { readonly expected: string };
}

export type Secrecy = 'shown' | 'never shown';

interface Description {
  readonly fallback?: string;
  readonly aliases?: readonly string[];
  readonly sentence: string;
}

/** The type says whether a setting has a default: without one its value may be undefined. */
type FallbackOf<D extends Description> = D extends { readonly fallback: string } ? string : undefined;

function setting<T, D extends Description>(
  name: string,
  kind: { readonly type: string; readonly secrecy: Secrecy },
  about: D,
  parse: Setting<T>['parse'],
): Setting<T, FallbackOf<D>> {
  const fallback = about.fallback as FallbackOf<D>;
  return { name, ...kind, aliases: about.aliases ?? [], fallback, sentence: about.sentence, parse };
}

export function text<D extends Description>(name: string, about: D): Setting<string, FallbackOf<D>> {
  return setting(name, { type: 'text', secrecy: 'never shown' }, about, (value) => ({ value }));
}

export function integer<D extends Description>(
  name: string,
  min: number,
  max: number,
  about: D,
): Setting<number, FallbackOf<D>> {
  return setting(name, { type: `number, ${min} to ${max}`, secrecy: 'shown' }, about, (value) => {
    const parsed = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    return parsed >= min && parsed <= max ? { value: parsed } : { expected: `a number from ${min} to ${max}` };
  });
}

export function choice<const T extends string, D extends Description>(
  name: string,
  values: readonly T[],
  about: D,
): Setting<T, FallbackOf<D>> {
  return setting(name, { type: values.join(' \\| '), secrecy: 'shown' }, about, (value) => {
    const found = values.find((each) => each === value);
    return found === undefined ? { expected: `one of ${values.join(', ')}` } : { value: found };
  });
}

export function flag<D extends Description>(name: string, about: D): Setting<boolean, FallbackOf<D>> {
  return setting(name, { type: 'true \\| false', secrecy: 'shown' }, about, (value) => {
    if (value === 'true' || value === 'false') return { value: value === 'true' };
    return { expected: 'true or false' };
  });
}

/** A timer overflows beyond 24.8 days and would fire at once. */
const TIMER_BOUNDS = ['1ms', '24d'] as const;

/** Value in milliseconds. @param use `timer`: 0 and durations that exceed a timer are refused; or the smallest and the largest value */
export function duration<D extends Description>(
  name: string,
  about: D,
  use: 'age' | 'timer' | readonly [min: string, max: string] = 'age',
): Setting<number, FallbackOf<D>> {
  return setting(name, { type: 'duration', secrecy: 'shown' }, about, (value) => {
    const milliseconds = parseDuration(value);
    if (milliseconds === undefined) return { expected: DURATION_FORMS };
    if (use === 'age') return { value: milliseconds };
    const [min, max] = use === 'timer' ? TIMER_BOUNDS : use;
    const isWithin = milliseconds >= (parseDuration(min) ?? 0) && milliseconds <= (parseDuration(max) ?? 0);
    return isWithin ? { value: milliseconds } : { expected: `a duration from ${min} to ${max}` };
  });
}

/** Value in bytes. @param minimum in the same form as values */
export function bytes<D extends Description>(name: string, about: D, minimum = '0'): Setting<number, FallbackOf<D>> {
  const least = parseBytes(minimum) ?? 0;
  return setting(name, { type: 'bytes', secrecy: 'shown' }, about, (value) => {
    const size = parseBytes(value);
    if (size === undefined) return { expected: SIZE_FORMS };
    return size < least ? { expected: `a size of ${minimum} or more` } : { value: size };
  });
}

/** Value without trailing slashes. */
export function url<D extends Description>(name: string, about: D): Setting<string, FallbackOf<D>> {
  return setting(name, { type: 'URL', secrecy: 'never shown' }, about, (value) => {
    if (value === '') return { value };
    const parsed = URL.canParse(value) ? new URL(value) : undefined;
    const isPlain = parsed?.search === '' && parsed.hash === '' && parsed.username === '' && parsed.password === '';
    if (!isPlain || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:'))
      return { expected: 'a URL like https://registry.example' };
    return { value: value.replace(/\/+$/, '') };
  });
}

/** One component of a repository name, or empty, which is a value of its own. */
export function nameComponent<D extends Description>(name: string, about: D): Setting<string, FallbackOf<D>> {
  const component = setting(name, { type: 'component of a name', secrecy: 'shown' }, about, (value) =>
    value === '' || /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/.test(value)
      ? { value }
      : { expected: 'lower-case letters and digits, separated by . _ __ or -, or nothing' },
  );
  return { ...component, takesEmpty: true };
}

/** Text that can stand in a header. */
export function printable<D extends Description>(name: string, about: D): Setting<string, FallbackOf<D>> {
  return setting(name, { type: 'text', secrecy: 'never shown' }, about, (value) =>
    /^[\x20-\x7e]{1,255}$/.test(value) ? { value } : { expected: 'one line of at most 255 ASCII characters' },
  );
}

/** An absolute URL, kept as it is written. */
export function address<D extends Description>(name: string, about: D): Setting<string, FallbackOf<D>> {
  return setting(name, { type: 'URL', secrecy: 'never shown' }, about, (value) => {
    const parsed = /^https?:\/\/[\x21-\x7e]+$/.test(value) && URL.canParse(value) ? new URL(value) : undefined;
    return parsed === undefined || parsed.hash !== '' || parsed.username !== '' || parsed.password !== ''
      ? { expected: 'a URL like https://auth.example/token' }
      : { value };
  });
}

export function redisAddress<D extends Description>(name: string, about: D): Setting<RedisAddress, FallbackOf<D>> {
  return setting(name, { type: 'URL', secrecy: 'never shown' }, about, (value) => {
    const address = parseRedisUrl(value);
    return address === undefined ? { expected: REDIS_URL_FORMS } : { value: address };
  });
}

const MAX_SECRET_BYTES = 4096;

/** Value is the content of the named file without its final line break. Reads the file. */
export function secretFile<D extends Description>(name: string, about: D): Setting<string, FallbackOf<D>> {
  return setting(name, { type: 'file', secrecy: 'never shown' }, about, (path) => {
    const expected = `a readable file with one line of at most ${MAX_SECRET_BYTES} bytes`;
    try {
      if (statSync(path).size > MAX_SECRET_BYTES) return { expected };
      const value = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
      return value === '' || /\p{Cc}/u.test(value) ? { expected } : { value };
    } catch {
      return { expected };
    }
  });
}

const ORIGIN_FORMS = 'a comma-separated list of origins like https://ui.example or http://localhost:8080';

/** Origins of web pages, as browsers write them. */
export function origins<D extends Description>(name: string, about: D): Setting<readonly string[], FallbackOf<D>> {
  return setting(name, { type: 'origins', secrecy: 'never shown' }, about, (value) => {
    if (value === '') return { value: [] };
    const parsed = value.split(',').map((each) => originOf(each.trim()));
    const known = parsed.filter((each) => each !== undefined);
    return known.length === parsed.length ? { value: known } : { expected: ORIGIN_FORMS };
  });
}

/** undefined for text that no browser sends as an origin: "*", a path, upper case, the scheme's default port. */
function originOf(text: string): string | undefined {
  return /^https?:\/\/[^*]+$/.test(text) && URL.canParse(text) && new URL(text).origin === text ? text : undefined;
}

/** Host names or addresses, with optional ports, in lower case. */
export function hosts<D extends Description>(name: string, about: D): Setting<readonly string[], FallbackOf<D>> {
  return setting(name, { type: 'hosts', secrecy: 'never shown' }, about, (value) => {
    if (value === '') return { value: [] };
    const parsed = value.split(',').map((each) => each.trim().toLowerCase());
    return parsed.every(isHost)
      ? { value: parsed }
      : { expected: 'a comma-separated list of hosts like registry.example or registry.example:5000' };
  });
}

/** A URL drops its scheme's default port, which may be written here. */
function isHost(text: string): boolean {
  if (!/^[a-z\d.:[\]_-]+$/.test(text)) return false;
  return ['http', 'https'].some((scheme) => {
    const url = `${scheme}://${text}`;
    return URL.canParse(url) && new URL(url).host === text;
  });
}

/** IP addresses and blocks of them. */
export function addresses<D extends Description>(
  name: string,
  about: D,
): Setting<readonly AddressRange[], FallbackOf<D>> {
  return setting(name, { type: 'addresses', secrecy: 'shown' }, about, (value) => {
    const ranges = parseAddressRanges(value);
    return ranges === undefined ? { expected: ADDRESS_LIST_FORMS } : { value: ranges };
  });
}
