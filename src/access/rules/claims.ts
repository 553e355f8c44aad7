import type { Claims } from '../identity.ts';
import type { TextPattern } from './text-pattern.ts';

/** The text of a claim; undefined if it is missing, a list or an object. */
export function textOfClaim(claims: Claims, name: string): string | undefined {
  return Object.hasOwn(claims, name) ? textOf(claims[name]) : undefined;
}

/** Whether the value of the claim matches, or an element of it if it is a list. */
export function claimMatches(claims: Claims, name: string, pattern: TextPattern): boolean {
  if (!Object.hasOwn(claims, name)) return false;
  const value = claims[name];
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.some((each) => {
    const text = textOf(each);
    return text !== undefined && pattern.matches(text);
  });
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}
