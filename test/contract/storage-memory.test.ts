import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { storageContract } from './storage.contract.ts';

storageContract('memory', async () => {
  const driver = new MemoryDriver();
  return { driver, close: () => driver.close() };
});
