import type { Claims } from '../identity.ts';

/**
 * The claims with these names. A name can also be a path to a member of a claim, such as `realm_access.roles`; a claim with exactly
 * this name comes first. So no part of a token that nobody asked for stays in memory.
 * @returns the values by the names as given; names that are not found are left out
 */
export function pickClaims(payload: Claims, names: readonly string[]): Claims {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = valueAt(payload, name);
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Member names can have dots themselves, such as `kubernetes.io`, so each dot may or may not separate two names. */
function valueAt(object: Claims, path: string): unknown {
  if (Object.hasOwn(object, path)) return object[path];
  for (let dot = path.lastIndexOf('.'); dot > 0; dot = path.lastIndexOf('.', dot - 1)) {
    const name = path.slice(0, dot);
    const member = Object.hasOwn(object, name) ? object[name] : undefined;
    const value = isObject(member) ? valueAt(member, path.slice(dot + 1)) : undefined;
    if (value !== undefined) return value;
  }
  return undefined;
}

function isObject(value: unknown): value is Claims {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
