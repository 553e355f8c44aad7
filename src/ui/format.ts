/** How values are shown on pages. All functions are pure. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** A size in binary units with three significant digits: `0 B`, `1.50 KiB`, `23.4 MiB`, `512 GiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 1,000 KiB would take four digits.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(unit === 0 ? 0 : digitsOf(value))} ${UNITS[unit]}`;
}

/** Digits after the point, so that there are three in all. */
function digitsOf(value: number): number {
  if (value >= 99.95) return 0;
  return value >= 9.995 ? 1 : 2;
}

/** `1 tag`, `12,345 tags`. */
export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${formatNumber(count)} ${count === 1 ? one : many}`;
}

export function formatNumber(value: number): string {
  return value.toLocaleString('en-US');
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  { below: HOUR, size: MINUTE, unit: 'min' },
  { below: DAY, size: HOUR, unit: 'h' },
  { below: 60 * DAY, size: DAY, unit: 'd' },
  { below: 730 * DAY, size: 30.44 * DAY, unit: 'mo' },
] as const;

/** The time that has passed: `just now`, `5 min ago`, `3 h ago`, `12 d ago`, `4 mo ago`, `3 y ago`. A future time is `just now`. */
export function formatAge(milliseconds: number, now: number): string {
  const passed = now - milliseconds;
  if (passed < 45 * SECOND) return 'just now';
  const step = STEPS.find(({ below }) => passed < below);
  if (step === undefined) return `${Math.floor(passed / (365.25 * DAY))} y ago`;
  return `${Math.max(1, Math.floor(passed / step.size))} ${step.unit} ago`;
}

/** A length of time in its largest unit: `30 d`, `12 h`, `10 min`, `45 s`. */
export function formatDuration(milliseconds: number): string {
  const { size, unit } = DURATION_STEPS.find(({ from }) => milliseconds >= from) ?? { size: SECOND, unit: 's' };
  return `${Math.floor(milliseconds / size)} ${unit}`;
}

const DURATION_STEPS = [
  { from: 2 * DAY, size: DAY, unit: 'd' },
  { from: HOUR, size: HOUR, unit: 'h' },
  { from: MINUTE, size: MINUTE, unit: 'min' },
] as const;

/** How long it is until a time: `in 3 d`, `now`. */
export function formatUntil(milliseconds: number, now: number): string {
  const left = milliseconds - now;
  return left < SECOND ? 'now' : `in ${formatDuration(left)}`;
}

/** `2026-11-28 10:15:00 UTC` */
export function formatTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

const SHOWN_HEX = 12;

/** The beginning of a digest, without its algorithm if that is the usual one: `4f2a9c81d03b`. */
export function shortDigest(digest: string): string {
  const colon = digest.indexOf(':');
  const algorithm = digest.slice(0, colon);
  const hex = digest.slice(colon + 1, colon + 1 + SHOWN_HEX);
  return algorithm === 'sha256' ? hex : `${algorithm}:${hex}`;
}

/** An actor as people read it: `user:alice` is `alice`; other kinds keep their prefix. */
export function formatActor(label: string): string {
  return label.startsWith('user:') ? label.slice('user:'.length) : label;
}

/** Text of strangers, cut to a length that a page can hold. */
export function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max).toWellFormed()}…`;
}

/** A message as a sentence: messages of errors begin with a small letter and have no full stop. */
export function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
