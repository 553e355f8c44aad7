import { describe, expect, test } from 'bun:test';
import type { UploadId } from '../oci/names.ts';
import { EndedIds } from './ended-ids.ts';

const ids = (count: number, from = 0): readonly UploadId[] =>
  Array.from({ length: count }, (_, n) => `00000000-0000-8000-8000-${String(from + n).padStart(12, '0')}` as UploadId);

describe('the ids of sessions that ended', () => {
  test('are known to all threads, and no other id is', () => {
    const memory = EndedIds.allocate();
    const [one, two] = [new EndedIds(memory), new EndedIds(memory)];
    for (const id of ids(1_000)) one.add(id);
    expect(ids(1_000).every((id) => two.has(id))).toBe(true);
    expect(ids(100_000, 1_000).some((id) => two.has(id))).toBe(false);
  });

  test('are forgotten only after tens of thousands of others', () => {
    const ended = new EndedIds(EndedIds.allocate());
    for (const id of ids(65_536)) ended.add(id);
    const forgotten = ids(65_536).filter((id) => !ended.has(id));
    expect(forgotten.length).toBeLessThan(20);
    for (const id of ids(2_000_000, 65_536)) ended.add(id);
    expect(ids(1_000).filter((id) => ended.has(id))).toEqual([]);
    expect(ids(30_000, 2_035_536).filter((id) => !ended.has(id)).length).toBeLessThan(20);
  });
});
