import { expect, test } from 'bun:test';
import { ulid } from 'ulid';
import { parseIncarnation } from '../oci/names.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { readReplicaMark, writeReplicaMark } from './mark.ts';
import { promote } from './promote.ts';

function newId() {
  return parseIncarnation(ulid()) ?? expect.unreachable();
}

test('a process that replaces the mark does not undo a promotion by another one', async () => {
  const driver = new MemoryDriver();
  const since = '2026-11-28T10:00:00.000Z';
  await writeReplicaMark(driver, { v: 1, source: 'https://primary.example', lineage: [], since });
  const before = (await readReplicaMark(driver)) ?? expect.unreachable();
  expect(before.promoted).toBeUndefined();
  const identity = { store: newId(), instance: newId() };
  const ports = { driver, identity, now: Date.now, newId, sleep: async () => {}, node: 'a' };
  await promote('operator:0', ports);
  const promoted = { at: expect.any(String), by: 'operator:0' };
  expect(await readReplicaMark(driver)).toEqual({ ...before, promoted });
  await writeReplicaMark(driver, { ...before, complete: since });
  expect(await readReplicaMark(driver)).toEqual({ ...before, complete: since, promoted });
  await expect(promote('operator:1', ports)).rejects.toThrow('was already promoted');
});
