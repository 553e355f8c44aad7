import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { eventBatches } from '../../test/support/generators.ts';
import { everythingOf, foldOf, REPO, slotsOf, slotTime, type WrittenSlot, writeLog } from '../../test/support/slots.ts';
import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Key } from '../storage/driver.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { slotKey, snapshotKey } from '../storage/paths.ts';
import type { JournalEvent } from './events.ts';
import { foldLog, READ_AHEAD, readSlot, readSlotTime, slotsAfter } from './log.ts';
import { encodeSnapshot } from './snapshot.ts';

const deleted: JournalEvent[] = [{ type: 'repo.deleted' }];

async function storeWith(slots: readonly WrittenSlot[]): Promise<MemoryDriver> {
  const driver = new MemoryDriver();
  await writeLog(driver, slots);
  return driver;
}

async function snapshotAt(driver: MemoryDriver, slots: readonly WrittenSlot[], seq: number): Promise<number> {
  const bytes = await encodeSnapshot(REPO, foldOf(slots.slice(0, seq)));
  await driver.create(snapshotKey(REPO, seq), bytes);
  return bytes.length;
}

async function problemOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => 'none',
    (reason: unknown) => reason,
  );
  if (!(error instanceof RegistryError)) return `not refused: ${String(error)}`;
  expect(error.kind).toBe('log-broken');
  return error.message;
}

test('the time of a slot is that in its batch, however its JSON is written', async () => {
  const driver = await storeWith(slotsOf([deleted, deleted]));
  for (const seq of [1, 2]) expect(await readSlotTime(driver, REPO, seq)).toBe(slotTime(seq));
  expect(await readSlotTime(driver, REPO, 3)).toBeUndefined();
  const [, , third] = slotsOf([deleted, deleted, deleted]);
  const { at, ...rest } = third?.batch ?? expect.unreachable();
  await driver.create(slotKey(REPO, 3), new TextEncoder().encode(JSON.stringify({ ...rest, at })));
  expect(await readSlotTime(driver, REPO, 3)).toBe(slotTime(3));
  for (const [index, torn] of ['{"at":"2030-01-01T', '{"at":"..."}', ''].entries()) {
    await driver.create(slotKey(REPO, 4 + index), new TextEncoder().encode(torn));
    expect(await problemOf(readSlotTime(driver, REPO, 4 + index))).toContain(`slot ${4 + index}`);
  }
});

/** Has slots read in batches, as a folder has. */
class BatchingDriver extends MemoryDriver {
  batches = 0;
  /** The batch that fails. */
  fails: number | undefined;

  async readSeveral(keys: readonly Key[]): Promise<readonly (Uint8Array | undefined)[]> {
    if (++this.batches === this.fails) throw new Error('the disk failed');
    return await Promise.all(keys.map((key) => this.read(key)));
  }
}

describe('slots that are read in batches', () => {
  async function written(count: number): Promise<BatchingDriver> {
    const driver = new BatchingDriver();
    await writeLog(driver, slotsOf(Array.from({ length: count }, () => deleted)));
    return driver;
  }

  test.each([0, 1, 63, 64, 65, 128, 129, 300])('are all slots of a log of %d, in order', async (count) => {
    const driver = await written(count);
    for (const after of [0, 1, 64]) {
      const seqs = await Array.fromAsync(slotsAfter(driver, REPO, after, READ_AHEAD), ({ batch }) => batch.seq);
      expect(seqs).toEqual(Array.from({ length: Math.max(0, count - after) }, (_, index) => after + index + 1));
    }
    // A short tail needs none.
    expect(driver.batches > 0).toBe(count >= 64);
  });

  test('cost a reader that stops early nothing, and fail only for a reader that needs them', async () => {
    const driver = await written(300);
    driver.fails = 2;
    const seqs: number[] = [];
    for await (const { batch } of slotsAfter(driver, REPO, 0, READ_AHEAD)) {
      seqs.push(batch.seq);
      // In the first batch; the second one has been asked for, and fails.
      if (batch.seq === 100) break;
    }
    expect(seqs).toHaveLength(100);
    driver.batches = 0;
    await expect(Array.fromAsync(slotsAfter(driver, REPO, 0, READ_AHEAD))).rejects.toThrow('the disk failed');
  });
});

describe('folding a log', () => {
  test('from any snapshots gives what folding all slots gives, and says what lies behind the newest', async () => {
    await fc.assert(
      fc.asyncProperty(eventBatches, fc.array(fc.nat(), { maxLength: 3 }), async (batches, points) => {
        const slots = slotsOf(batches);
        const driver = await storeWith(slots);
        const at = slots.length === 0 ? [] : points.map((point) => 1 + (point % slots.length));
        for (const seq of at) await snapshotAt(driver, slots, seq);
        const walked = await foldLog(driver, REPO);
        expect(everythingOf(walked.state)).toEqual(everythingOf(foldOf(slots)));
        const tail = slots.slice(Math.max(0, ...at));
        expect(walked.slots).toBe(tail.length);
        expect(walked.bytes).toBe(tail.reduce((sum, { bytes }) => sum + bytes.length, 0));
        expect(walked.snapshotBytes > 0).toBe(at.length > 0);
      }),
    );
  });

  test('ignores snapshots that cannot be used and goes on to the next older one', async () => {
    const slots = slotsOf([deleted, deleted, deleted]);
    const driver = await storeWith(slots);
    const size = await snapshotAt(driver, slots, 1);
    await driver.create(snapshotKey(REPO, 2), new TextEncoder().encode('torn'));
    await driver.create(snapshotKey(REPO, 3), await encodeSnapshot('other' as RepositoryName, foldOf(slots)));
    expect(await foldLog(driver, REPO)).toMatchObject({ slots: 2, snapshotBytes: size });
  });

  test('reads no slot that its snapshot holds', async () => {
    const slots = slotsOf([deleted, deleted, deleted]);
    const driver = await storeWith(slots.slice(2));
    await snapshotAt(driver, slots, 2);
    expect((await foldLog(driver, REPO)).state.seq).toBe(3);
  });

  test('of a repository that nobody pushed to is empty', async () => {
    expect(await foldLog(new MemoryDriver(), REPO)).toMatchObject({ slots: 0, bytes: 0, snapshotBytes: 0 });
  });

  test('stops where a slot does not follow the one before', async () => {
    const [first, second] = slotsOf([deleted, deleted]);
    const [foreign] = slotsOf([[{ type: 'repo.deleted', actor: 'someone else' }]]);
    if (first === undefined || second === undefined || foreign === undefined) return expect.unreachable();
    const driver = await storeWith([foreign, second]);
    expect(await problemOf(foldLog(driver, REPO))).toContain(`slot 2 of the log of ${REPO} cannot be used: it follows`);
  });

  test('stops where the slot after a snapshot does not follow the slot that it was taken at', async () => {
    const slots = slotsOf([deleted, deleted]);
    const driver = await storeWith(slots);
    const others = slotsOf([[{ type: 'repo.deleted', actor: 'someone else' }]]);
    await snapshotAt(driver, others, 1);
    expect(await problemOf(foldLog(driver, REPO))).toContain('slot 2');
  });

  test('ends at the first absent slot, whatever lies behind it', async () => {
    const slots = slotsOf([deleted, deleted, deleted]);
    const driver = await storeWith(slots.filter(({ batch }) => batch.seq !== 2));
    expect((await foldLog(driver, REPO)).state.seq).toBe(1);
  });
});

describe('a slot', () => {
  test('that is absent is undefined', async () => {
    expect(await readSlot(new MemoryDriver(), REPO, 1)).toBeUndefined();
  });

  test.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ['is empty', () => new Uint8Array()],
    ['is torn', (bytes) => bytes.slice(0, -1)],
    ['is of a newer version', () => new TextEncoder().encode('{"v":2}')],
  ])('that %s is an error that names repository and slot', async (_, damage) => {
    const driver = new MemoryDriver();
    const [slot] = slotsOf([deleted]);
    await driver.put(slotKey(REPO, 1), damage(slot?.bytes ?? expect.unreachable()));
    expect(await problemOf(readSlot(driver, REPO, 1))).toStartWith(`slot 1 of the log of ${REPO} cannot be used: `);
  });

  test('that lies in the place of another is an error', async () => {
    const driver = new MemoryDriver();
    const [slot] = slotsOf([deleted]);
    const bytes = slot?.bytes ?? expect.unreachable();
    await driver.put(slotKey(REPO, 2), bytes);
    expect(await problemOf(readSlot(driver, REPO, 2))).toContain('it says it is slot 1');
    await driver.put(slotKey('other' as RepositoryName, 1), bytes);
    expect(await problemOf(readSlot(driver, 'other' as RepositoryName, 1))).toContain(`of ${REPO}`);
  });
});
