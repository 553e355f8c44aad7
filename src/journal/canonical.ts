import canonicalize from 'canonicalize';

/** RFC 8785: one value, one sequence of bytes, whoever writes it. */
export function canonicalJson(value: unknown): Uint8Array {
  const text = canonicalize(value);
  if (text === undefined) throw new Error('the value has no JSON form');
  return new TextEncoder().encode(text);
}
