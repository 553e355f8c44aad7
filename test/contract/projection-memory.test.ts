import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { openTemporaryFolder } from '../support/data-folder.ts';
import { countingIncarnations } from '../support/deterministic.ts';
import { HUGE_BUDGET, openProjection } from '../support/projections.ts';
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
