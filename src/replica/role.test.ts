import { describe, expect, test } from 'bun:test';
import type { Incarnation } from '../oci/names.ts';
import type { ReplicaMark } from './mark.ts';
import { roleOf } from './role.ts';

const store = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as Incarnation;
const instance = '01BX5ZZKBKACTAV9WEVGEMMVRZ' as Incarnation;
const SOURCE = 'https://primary.example';
const mark: ReplicaMark = { v: 1, source: SOURCE, lineage: [], since: '2026-11-28T10:00:00.000Z' };
const promoted = { ...mark, promoted: { at: '2026-11-29T10:00:00.000Z', by: 'operator:0' } };
const own = { store, instance: store };
const made = { store, instance };

describe('the role of a store', () => {
  test('is that of a primary if it has a history of its own, and REPLICA_OF is refused', () => {
    expect(roleOf(own, undefined, undefined)).toEqual({ kind: 'primary' });
    expect(() => roleOf(own, undefined, SOURCE)).toThrow('a replica needs an empty store');
  });

  test('is that of a replica if it was made as one; without REPLICA_OF it is not served', () => {
    expect(roleOf(made, mark, SOURCE)).toEqual({ kind: 'replica', source: SOURCE });
    expect(roleOf(made, mark, 'https://moved.example')).toMatchObject({ source: 'https://moved.example' });
    // A process that was killed before it wrote the mark.
    expect(roleOf(made, undefined, SOURCE)).toMatchObject({ kind: 'replica' });
    expect(() => roleOf(made, mark, undefined)).toThrow(`this store is a replica of ${SOURCE}: set REPLICA_OF`);
    expect(() => roleOf(made, undefined, undefined)).toThrow('this store is a replica of another registry');
  });

  test('is that of a primary after a promotion, and REPLICA_OF is refused', () => {
    expect(roleOf(made, promoted, undefined)).toEqual({ kind: 'primary' });
    expect(() => roleOf(made, promoted, SOURCE)).toThrow('was promoted at 2026-11-29T10:00:00.000Z');
  });
});
