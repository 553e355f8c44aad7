import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { changed } from '../../test/simulation/bugs.ts';
import { openTemporaryFolder } from '../../test/support/data-folder.ts';
import { openProjection } from '../../test/support/projections.ts';
import { A, openRegistry, text } from '../../test/support/registry.ts';
import { cleanUp } from '../../test/support/server.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { slotKey } from '../storage/paths.ts';
import { readSlot } from './log.ts';
import { type CopiedSlot, DifferentHistory } from './replay.ts';

setDefaultTimeout(60_000);
afterAll(cleanUp);

const SLOTS = 150;

async function logOf(number: number): Promise<CopiedSlot[]> {
  const { push, driver } = openRegistry({ number });
  for (let each = 0; each < SLOTS; each++) await push(A, text(`blob ${each}`));
  return await slotsOf(driver, A);
}

async function slotsOf(reader: StoreReader, repo: RepositoryName): Promise<CopiedSlot[]> {
  const slots: CopiedSlot[] = [];
  for (let seq = 1; ; seq++) {
    const slot = await readSlot(reader, repo, seq);
    const bytes = await reader.read(slotKey(repo, seq));
    if (slot === undefined || bytes === undefined) return slots;
    slots.push({ ...slot, bytes });
  }
}

const hashesOf = (slots: readonly CopiedSlot[]): string[] => slots.map(({ hash }) => hash);

test('on a folder with a write-ahead log, many slots wait for the disk together; the log and the view become the same', async () => {
  const folder = await openTemporaryFolder();
  const log = await logOf(1);
  let waits = 0;
  const driver = changed(folder.driver, {
    create: (...args) => {
      waits++;
      return folder.driver.create(...args);
    },
    createInOrder: (objects) => {
      waits++;
      return folder.driver.createInOrder?.(objects) ?? expect.unreachable();
    },
  });
  const appended: number[] = [];
  const projection = openProjection(driver, { onAppend: (_, __, seq) => appended.push(seq) });
  await projection.replay(A, log.slice(0, 5));
  await projection.replay(A, log);
  expect(hashesOf(await slotsOf(folder.driver, A))).toEqual(hashesOf(log));
  expect(await projection.newest(A)).toMatchObject({ seq: SLOTS });
  expect(appended).toEqual(log.map(({ batch }) => batch.seq));
  expect(waits).toBeLessThan(10);
  await folder.close();
});

test('slots that another process has created are compared', async () => {
  const [log, other] = [await logOf(1), await logOf(2)];
  for (const present of [log, other]) {
    const folder = await openTemporaryFolder();
    const projection = openProjection(folder.driver);
    await projection.newest(A);
    // The view does not know them.
    for (const { batch, bytes } of present.slice(0, 10)) await folder.driver.create(slotKey(A, batch.seq), bytes);
    const outcome = await projection.replay(A, log).catch((error: unknown) => error);
    if (present === other) expect(outcome).toBeInstanceOf(DifferentHistory);
    expect(hashesOf(await slotsOf(folder.driver, A))).toEqual(hashesOf(present === log ? log : other.slice(0, 10)));
    await folder.close();
  }
});
