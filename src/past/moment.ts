/** A point in the life of a repository: after a slot, or the end of a time (milliseconds, inclusive). */
export type Moment = { readonly kind: 'slot'; readonly seq: number } | TimeMoment;

/** A point in the life of the whole registry. */
export interface TimeMoment {
  readonly kind: 'time';
  readonly until: number;
}

const SLOT = /^[1-9]\d{0,14}$/;
const TIME =
  /^(?<day>\d{4}-\d\d-\d\d)(?:[Tt ](?<clock>\d\d:\d\d:\d\d)(?<fraction>\.\d{1,3})?(?<zone>[Zz]|[+-]\d\d:\d\d))?$/;
const COMPACT = /^(?<year>\d{4})(?<month>\d\d)(?<day>\d\d)(?:[Tt](?<hour>\d\d)(?<minute>\d\d)(?<second>\d\d)[Zz])?$/;

/** The forms that parseMoment accepts, for messages. */
export const MOMENT_FORMS = 'a slot number, or a time such as 2026-11-28T10:15:00Z or 2026-11-28';

/**
 * A slot number, or a time. A time to the second means the end of that second, a date the end of that day in UTC. `20261128t101500z`
 * is accepted too, as in the addresses of the past; eight digits are a slot number.
 * @returns undefined for anything else
 */
export function parseMoment(text: string): Moment | undefined {
  if (SLOT.test(text)) return { kind: 'slot', seq: Number(text) };
  const { day, clock = '23:59:59', fraction = '.999', zone = 'Z' } = TIME.exec(text)?.groups ?? {};
  if (day === undefined) return text.length > 8 ? parseCompactTime(text) : undefined;
  return timeOf(day, `${clock}${fraction}${zone.toUpperCase()}`);
}

/**
 * A time as it stands in the address of a repository, which allows only lower-case letters and digits: `20261128t101500z`, the end of
 * that second, or `20261128`, the end of that day, in UTC.
 */
export function parseCompactTime(text: string): TimeMoment | undefined {
  const { year, month, day, hour = '23', minute = '59', second = '59' } = COMPACT.exec(text)?.groups ?? {};
  return year === undefined ? undefined : timeOf(`${year}-${month}-${day}`, `${hour}:${minute}:${second}.999Z`);
}

/** `2026-02-30` and `24:00:00` exist for Date.parse, but not for people. */
function timeOf(day: string, clock: string): TimeMoment | undefined {
  const until = Date.parse(`${day}T${clock}`);
  const midnight = Date.parse(`${day}T00:00:00.000Z`);
  if (Number.isNaN(until) || Number.isNaN(midnight) || clock.startsWith('24')) return undefined;
  return new Date(midnight).toISOString().startsWith(day) ? { kind: 'time', until } : undefined;
}

/** ISO 8601 in UTC, to the second. */
export function formatTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}

/** A moment as `parseMoment` reads it: `12`, `2026-11-28T10:15:00Z`, with a fraction if it is not the end of a second. */
export function formatMoment(moment: Moment): string {
  if (moment.kind === 'slot') return String(moment.seq);
  return isEndOfSecond(moment.until) ? formatTime(moment.until) : new Date(moment.until).toISOString();
}

/** The end of the second in which a time (milliseconds) lies: the shortest step between two addresses of the past. */
export function secondOf(milliseconds: number): TimeMoment {
  return { kind: 'time', until: Math.floor(milliseconds / 1000) * 1000 + 999 };
}

/** `20261128t101500z`: the second of a time, as parseCompactTime reads it. */
export function formatCompactTime({ until }: TimeMoment): string {
  return formatTime(until).replaceAll(/[-:]/g, '').toLowerCase();
}

function isEndOfSecond(milliseconds: number): boolean {
  return milliseconds === secondOf(milliseconds).until;
}
