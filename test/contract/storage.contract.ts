// What every storage driver promises. A driver's own test calls this with a way to open an empty store.
import { afterAll, beforeAll, describe } from 'bun:test';
import type { StorageDriver } from '../../src/storage/driver.ts';
import { listingContract } from './storage/listing.ts';
import { objectContract } from './storage/objects.ts';
import { stagedContract } from './storage/staged.ts';
import { stagedLimitsContract } from './storage/staged-limits.ts';
import type { Store } from './storage/store.ts';

export interface OpenedStore {
  readonly driver: StorageDriver;
  close(): Promise<void>;
}

export function storageContract(name: string, open: () => Promise<OpenedStore>): void {
  describe(`storage on ${name}`, () => {
    let opened: OpenedStore | undefined;
    let folders = 0;
    const store: Store = {
      get driver() {
        if (opened === undefined) throw new Error('the store is not open');
        return opened.driver;
      },
      freshFolder: () => `contract/${++folders}/`,
    };
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened?.close());
    objectContract(store);
    listingContract(store);
    stagedContract(store);
    stagedLimitsContract(store);
  });
}
