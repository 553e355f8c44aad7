import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { eventually } from '../../test/support/eventually.ts';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import { SharedTable } from '../system/shared-table.ts';
import { Admission, type AdmissionCounts, type AdmissionLimits } from './admission.ts';
import { SharedAdmission } from './shared-admission.ts';

function refusalOf(check: () => void): ErrorKind | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof RegistryError) return error.kind;
    throw error;
  }
}

/** Counts of as many threads, which share their memory. */
function threads(count: number, pending: () => number = () => 0): readonly AdmissionCounts[] {
  const total = new Int32Array(new SharedArrayBuffer(4));
  const memory = SharedTable.allocate(100);
  return Array.from({ length: count }, () => new SharedAdmission({ total, clients: new SharedTable(memory), pending }));
}

describe.each([
  ['of one thread', (limits: AdmissionLimits) => new Admission(limits)],
  ['of one of two threads', (limits: AdmissionLimits) => new Admission(limits, threads(2)[0])],
])('admission %s', (_, admissionWith) => {
  test('refuses all clients beyond the limit, and one client beyond its share', () => {
    const admission = admissionWith({ max: 10, maxPerAddress: 2 });
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
        const admission = admissionWith({ max: 1_000, maxPerAddress });
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

describe('admission on several threads', () => {
  test('refuses the first request beyond the limit, on whichever thread it arrives', () => {
    const [a, b, c] = threads(3).map((counts) => new Admission({ max: 5, maxPerAddress: 5 }, counts));
    const client = { client: '192.0.2.1' };
    for (const here of [1, 2, 3]) expect(refusalOf(() => a?.check(here, client))).toBeUndefined();
    for (const here of [1, 2]) expect(refusalOf(() => b?.check(here, client))).toBeUndefined();
    expect(refusalOf(() => c?.check(1, client))).toBe('overloaded');
    expect(refusalOf(() => b?.check(3, client))).toBe('overloaded');
    // Two have ended, which this thread notices at its next request.
    expect(refusalOf(() => a?.check(2, client))).toBe('overloaded');
    expect(refusalOf(() => a?.check(1, client))).toBeUndefined();
  });

  test('refuses a client beyond its share, wherever its requests wait', () => {
    const [a, b] = threads(2).map((counts) => new Admission({ max: 100, maxPerAddress: 2 }, counts));
    a?.enter('192.0.2.1');
    expect(refusalOf(() => b?.check(1, { client: '192.0.2.1' }))).toBeUndefined();
    b?.enter('192.0.2.1');
    for (const each of [a, b]) {
      expect(refusalOf(() => each?.check(1, { client: '192.0.2.1' }))).toBe('too-many-requests');
      expect(refusalOf(() => each?.check(1, { client: '192.0.2.2' }))).toBeUndefined();
    }
    a?.leave('192.0.2.1');
    expect(refusalOf(() => b?.check(1, { client: '192.0.2.1' }))).toBeUndefined();
  });

  test('stops counting requests that have ended, though their thread gets no other', async () => {
    let pending = 4;
    const [a, b] = threads(2, () => pending).map((counts) => new Admission({ max: 4, maxPerAddress: 4 }, counts));
    const client = { client: '192.0.2.1' };
    expect(refusalOf(() => a?.check(4, client))).toBeUndefined();
    expect(refusalOf(() => b?.check(1, client))).toBe('overloaded');
    pending = 0;
    await eventually(() => expect(refusalOf(() => b?.check(4, client))).toBeUndefined());
  });
});
