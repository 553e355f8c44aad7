import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { openTemporaryFolder } from '../support/data-folder.ts';
import { HUGE_BUDGET, openProjection } from '../support/projections.ts';
import { projectionContract } from './projection.contract.ts';

for (const [room, budget] of [
  ['plenty of memory', HUGE_BUDGET],
  ['no memory to keep anything', 0],
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
