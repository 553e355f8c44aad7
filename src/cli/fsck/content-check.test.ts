// Between reading a log and checking its objects, a running server may delete them.
import { expect, test } from 'bun:test';
import { countingIncarnations } from '../../../test/support/deterministic.ts';
import { foldOf, REPO, slotsOf } from '../../../test/support/slots.ts';
import type { JournalEvent } from '../../journal/events.ts';
import { digestOf } from '../../oci/digest.ts';
import type { Digest } from '../../oci/names.ts';
import { MemoryDriver } from '../../storage/memory/driver.ts';
import { dataKey, slotKey } from '../../storage/paths.ts';
import { type Check, StoreIndex } from './check.ts';
import { checkContent } from './content-check.ts';
import type { Finding, Tally } from './findings.ts';
import { Progress } from './progress.ts';

const newId = countingIncarnations(() => 1_700_000_000_000);
const inc = newId();
const bytes = new TextEncoder().encode('the bytes of a blob');
const digest: Digest = digestOf('sha256', bytes);
const linked: JournalEvent = { type: 'blob.linked', digest, size: bytes.length, inc };

async function findingsOf(later: readonly JournalEvent[][], driver: MemoryDriver): Promise<readonly Finding[]> {
  const slots = slotsOf([[linked], ...later]);
  for (const { batch, bytes: slot } of slots) await driver.create(slotKey(REPO, batch.seq), slot);
  const findings: Finding[] = [];
  const tally: Tally = { repositories: 0, slots: 0, snapshots: 0, objects: 0, bytes: 0, verified: 0 };
  const check: Check = {
    reader: driver,
    scrub: true,
    keptSince: 0,
    tally,
    progress: new Progress(tally, undefined),
    index: new StoreIndex(),
    report: async (finding) => {
      findings.push(finding);
    },
  };
  // The state when the log was read, before the later slots.
  await checkContent(REPO, foldOf(slots.slice(0, 1)), check);
  return findings;
}

test('a missing object that was unlinked before is not a fault', async () => {
  expect(await findingsOf([[{ type: 'blob.unlinked', digest, inc }]], new MemoryDriver())).toEqual([]);
});

test('a missing object that is still linked is a fault, even if other slots were appended', async () => {
  const other: JournalEvent = {
    type: 'blob.linked',
    digest: digestOf('sha256', new Uint8Array()),
    size: 0,
    inc: newId(),
  };
  const missing = { severity: 'fault', problem: 'object-missing', repo: REPO, digest, inc };
  const driver = new MemoryDriver();
  await driver.put(dataKey(other.inc), new Uint8Array());
  expect(await findingsOf([[other]], driver)).toEqual([expect.objectContaining(missing)]);
});

test('if the digest is linked to another object in the meantime, that object is checked', async () => {
  const relinked: JournalEvent = { ...linked, inc: newId() };
  const driver = new MemoryDriver();
  expect(await findingsOf([[relinked]], driver)).toEqual([
    expect.objectContaining({ problem: 'object-missing', inc: relinked.inc }),
  ]);
});

test('an unreadable slot that is appended during the check is a separate fault', async () => {
  const driver = new MemoryDriver();
  await driver.create(slotKey(REPO, 2), new TextEncoder().encode('{'));
  expect(await findingsOf([], driver)).toEqual([
    expect.objectContaining({ severity: 'fault', problem: 'slot-unusable', slot: 2 }),
    expect.objectContaining({ severity: 'fault', problem: 'object-missing', inc }),
  ]);
});

test('a scrub reads bytes with a wrong digest and reports a fault', async () => {
  const driver = new MemoryDriver();
  await driver.put(dataKey(inc), bytes.toReversed());
  expect(await findingsOf([], driver)).toEqual([expect.objectContaining({ problem: 'object-digest', digest, inc })]);
  await driver.put(dataKey(inc), bytes);
  expect(await findingsOf([], driver)).toEqual([]);
});
