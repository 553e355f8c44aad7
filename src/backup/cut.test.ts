import { expect, test } from 'bun:test';
import { changed } from '../../test/simulation/bugs.ts';
import { TestClock } from '../../test/support/deterministic.ts';
import { A, B, C, openRegistry, text } from '../../test/support/registry.ts';
import type { RepositoryName } from '../oci/names.ts';
import { markerKey } from '../storage/paths.ts';
import { takeCut } from './cut.ts';

function positions({ logs }: Awaited<ReturnType<typeof takeCut>>): [RepositoryName | string, number][] {
  return logs.map(({ log, seq }) => [log.kind === 'repository' ? log.repo : log.kind, seq]);
}

test('a cut has the newest slot of each log', async () => {
  const open = openRegistry();
  for (let each = 0; each < 11; each++) await open.push(A, text(`blob ${each}`));
  await open.push(B, text('other'));
  await open.driver.create(markerKey(C), new Uint8Array());
  const cut = await takeCut(open.driver, () => undefined, open.clock.now);
  expect(positions(cut)).toEqual([
    [A, 11],
    [B, 1],
  ]);
});

test('what was written before a slot of the cut, in any log, is in the cut, too', async () => {
  const clock = new TestClock();
  const open = openRegistry({ clock });
  await open.push(A, text('first'));
  await open.push(B, text('first'));
  // After A was looked at, a client pushes to A and to a new repository, then to B, which is looked at later.
  let isWritten = false;
  const reader = changed(open.driver, {
    head: async (key) => {
      if (key.startsWith(`repos/${B}/`) && !isWritten) {
        isWritten = true;
        clock.advance(10);
        await open.push(A, text('second'));
        await open.push(C, text('second'));
        clock.advance(10);
        await open.push(B, text('second'));
        clock.advance(10);
      }
      return await open.driver.head(key);
    },
  });
  const cut = await takeCut(reader, () => undefined, clock.now);
  expect(isWritten).toBe(true);
  expect(positions(cut)).toEqual([
    [A, 2],
    [B, 2],
    [C, 1],
  ]);
});

test('slots that are later than the cut are not in it', async () => {
  const open = openRegistry();
  await open.push(A, text('first'));
  let isWritten = false;
  const moment = open.clock.now();
  const reader = changed(open.driver, {
    read: async (key) => {
      if (!isWritten) {
        isWritten = true;
        open.clock.advance(1_000);
        await open.push(A, text('later'));
      }
      return await open.driver.read(key);
    },
  });
  const cut = await takeCut(
    reader,
    () => undefined,
    () => moment,
  );
  expect(isWritten).toBe(true);
  expect(positions(cut)).toEqual([[A, 1]]);
});
