import { DURATION_FORMS, parseDuration } from '../../config/duration.ts';

const MAX_DAYS = 36_500;

export const LIFETIME_FORMS = `${DURATION_FORMS}, up to ${MAX_DAYS}d`;

/** Parses how long a robot may log in. @returns milliseconds; undefined if it is no lifetime */
export function parseLifetime(text: string): number | undefined {
  const milliseconds = parseDuration(text);
  const isUsable = milliseconds !== undefined && milliseconds > 0 && milliseconds <= MAX_DAYS * 86_400_000;
  return isUsable ? milliseconds : undefined;
}
