import { describe, expect, test } from 'bun:test';
import { openProjection } from '../../test/support/projections.ts';
import { everythingOf, REPO } from '../../test/support/slots.ts';
import { setTags } from '../../test/support/writers.ts';
import { foldLog } from '../journal/log.ts';
import { isSnapshotDue } from '../journal/snapshot-due.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { snapshotKey, snapshotPrefix } from '../storage/paths.ts';
import { foldForSnapshot, writeSnapshot } from './snapshot.ts';

describe('a snapshot', () => {
  test('is due after 512 slots that are also a tenth of the snapshot before', () => {
    expect(isSnapshotDue({ slots: 511, bytes: 1_000_000, snapshotBytes: 0 })).toBe(false);
    expect(isSnapshotDue({ slots: 512, bytes: 1, snapshotBytes: 0 })).toBe(true);
    expect(isSnapshotDue({ slots: 512, bytes: 99, snapshotBytes: 1000 })).toBe(false);
    expect(isSnapshotDue({ slots: 512, bytes: 100, snapshotBytes: 1000 })).toBe(true);
  });

  async function written(slots: number) {
    const driver = new MemoryDriver();
    let due = 0;
    const projection = openProjection(driver, {
      onGrowth: (_, tail) => {
        if (isSnapshotDue(tail)) due++;
      },
    });
    for (let slot = 0; slot < slots; slot++) await projection.submit(REPO, setTags(`t${slot}`));
    const write = async (): Promise<void> => writeSnapshot(driver, REPO, await projection.resident(REPO));
    return { driver, projection, write, due: () => due };
  }

  async function snapshotsIn(driver: MemoryDriver): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of driver.list(snapshotPrefix(REPO))) keys.push(key);
    return keys;
  }

  test('is written when it is due, and later folds start from it', async () => {
    const { driver, projection, write, due } = await written(512);
    expect(due()).toBe(1);
    await write();
    expect(await snapshotsIn(driver)).toEqual([snapshotKey(REPO, 512)]);
    const { state, tail } = await projection.resident(REPO);
    expect(tail).toEqual({ slots: 0, bytes: 0, snapshotBytes: (await driver.head(snapshotKey(REPO, 512)))?.size ?? 0 });
    await projection.submit(REPO, setTags('after'));
    const walked = await foldLog(driver, REPO);
    expect(walked.slots).toBe(1);
    expect(everythingOf(walked.state)).toEqual(everythingOf(state));
  });

  test('is not written when it is not due', async () => {
    const { driver, write } = await written(511);
    await write();
    expect(await snapshotsIn(driver)).toEqual([]);
  });

  test('that another writer has written already is kept', async () => {
    const { driver, write } = await written(512);
    await driver.put(snapshotKey(REPO, 512), new Uint8Array([1]));
    await write();
    expect(await driver.head(snapshotKey(REPO, 512))).toEqual({ size: 1 });
  });

  test('counts slots that were written meanwhile as its tail', async () => {
    const { driver, projection, write } = await written(512);
    const running = write();
    for (let slot = 0; slot < 3; slot++) await projection.submit(REPO, setTags(`late${slot}`));
    await running;
    const [key] = await snapshotsIn(driver);
    const { tail } = await projection.resident(REPO);
    const walked = await foldLog(driver, REPO);
    expect(key).toBeDefined();
    expect({ slots: tail.slots, bytes: tail.bytes }).toEqual({ slots: walked.slots, bytes: walked.bytes });
  });

  test('is the same if no process has the repository in memory', async () => {
    const { driver, projection } = await written(600);
    await writeSnapshot(driver, REPO, await foldForSnapshot(driver, REPO));
    expect(await snapshotsIn(driver)).toEqual([snapshotKey(REPO, 600)]);
    const walked = await foldLog(driver, REPO);
    expect(walked.slots).toBe(0);
    expect(everythingOf(walked.state)).toEqual(everythingOf((await projection.resident(REPO)).state));
    // Not due any more.
    for (let slot = 0; slot < 10; slot++) await projection.submit(REPO, setTags(`more${slot}`));
    await writeSnapshot(driver, REPO, await foldForSnapshot(driver, REPO));
    expect(await snapshotsIn(driver)).toEqual([snapshotKey(REPO, 600)]);
  });
});
