import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { openTemporaryFolder } from '../support/data-folder.ts';
import { countingIncarnations } from '../support/deterministic.ts';
import { HUGE_BUDGET, openProjection, openThreads, takingTurns } from '../support/projections.ts';
import { projectionContract } from './projection.contract.ts';

for (const [room, budget] of [
  ['plenty of memory', HUGE_BUDGET],
  ['no memory for any view', 0],
] as const) {
  projectionContract(room, async (clock) => {
    const driver = new MemoryDriver();
    const projection = openProjection(driver, { clock, budget });
    return { projection, reopen: async () => openProjection(driver, { clock, budget }), close: () => driver.close() };
  });
}

projectionContract('memory over a filesystem', async (clock) => {
  const folder = await openTemporaryFolder();
  const { driver, close } = folder;
  return {
    projection: openProjection(driver, { clock }),
    reopen: async () => openProjection(driver, { clock }),
    close,
  };
});

// Each reopened projection is another process that writes to the same store.
projectionContract('memory beside other writers', async (clock) => {
  const driver = new MemoryDriver();
  let number = 0;
  const open = () =>
    openProjection(driver, { clock, probe: true, newId: countingIncarnations(clock.now, 100 + number++) });
  return { projection: open(), reopen: async () => open(), close: () => driver.close() };
});

// Each call is made in another thread of the process.
for (const [room, budget] of [
  ['the memory of several threads', HUGE_BUDGET],
  ['threads without memory for any view', 0],
] as const) {
  projectionContract(room, async (clock) => {
    const driver = new MemoryDriver();
    const [last, ...threads] = openThreads(driver, 4, { clock, budget });
    if (last === undefined) throw new Error('there is no thread');
    return { projection: takingTurns(threads), reopen: async () => last, close: () => driver.close() };
  });
}
