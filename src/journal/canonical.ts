import canonicalize from 'canonicalize';

/** RFC 8785: a value has exactly one sequence of bytes. */
export function canonicalJson(value: unknown): Uint8Array {
  const text = canonicalize(value);
  if (text === undefined) throw new Error('the value has no JSON form');
  return new TextEncoder().encode(text);
}
