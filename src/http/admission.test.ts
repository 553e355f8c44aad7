import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import { Admission } from './admission.ts';

function refusalOf(check: () => void): ErrorKind | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof RegistryError) return error.kind;
    throw error;
  }
}

describe('admission', () => {
  test('refuses all clients beyond the limit, and one client beyond its share', () => {
    const admission = new Admission({ max: 10, maxPerAddress: 2 });
    expect(refusalOf(() => admission.check(10, { client: 'a' }))).toBeUndefined();
    expect(refusalOf(() => admission.check(11, { client: 'a' }))).toBe('overloaded');
    admission.enter('a');
    admission.enter('a');
    expect(refusalOf(() => admission.check(3, { client: 'a' }))).toBe('too-many-requests');
    expect(refusalOf(() => admission.check(3, { client: 'b' }))).toBeUndefined();
    admission.leave('a');
    expect(refusalOf(() => admission.check(3, { client: 'a' }))).toBeUndefined();
  });

  test('counts correctly in any order of requests', () => {
    const steps = fc.array(fc.record({ client: fc.constantFrom('a', 'b', 'c'), comes: fc.boolean() }));
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 5 }), (some, maxPerAddress) => {
        const admission = new Admission({ max: 1_000, maxPerAddress });
        const counts = new Map<string, number>();
        for (const { client, comes } of some) {
          const count = counts.get(client) ?? 0;
          if (comes) admission.enter(client);
          else if (count > 0) admission.leave(client);
          else continue;
          counts.set(client, count + (comes ? 1 : -1));
          for (const [each, now] of counts)
            expect(refusalOf(() => admission.check(1, { client: each }))).toBe(
              now >= maxPerAddress ? 'too-many-requests' : undefined,
            );
        }
      }),
    );
  });
});
