// The contract of every storage driver. A driver's own test calls this with a function that opens an empty store.
import { afterAll, beforeAll, describe } from 'bun:test';
import type { StorageDriver } from '../../src/storage/driver.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { listingContract } from './storage/listing.ts';
import { objectContract } from './storage/objects.ts';
import { stagedContract } from './storage/staged.ts';
import { stagedHoldersContract } from './storage/staged-holders.ts';
import { stagedLimitsContract } from './storage/staged-limits.ts';
import type { Store } from './storage/store.ts';

export interface OpenedStore {
  readonly driver: StorageDriver;
  /** A second driver of the same store, like that of another node; absent if one process serves the store. */
  readonly other?: StorageDriver;
  /** Default true. */
  readonly readsStaged?: boolean;
  /** Default true. */
  readonly replacesLongNames?: boolean;
  close(): Promise<void>;
}

export function storageContract(name: string, open: () => Promise<OpenedStore>): void {
  describe(`storage on ${name}`, () => {
    let opened: OpenedStore | undefined;
    let folders = 0;
    const current = (): OpenedStore => {
      if (opened === undefined) throw new Error('the store is not open');
      return opened;
    };
    const store: Store = {
      get driver() {
        return current().driver;
      },
      get other() {
        return current().other ?? current().driver;
      },
      get readsStaged() {
        return current().readsStaged ?? true;
      },
      get replacesLongNames() {
        return current().replacesLongNames ?? true;
      },
      freshFolder: () => `contract/${++folders}/`,
    };
    beforeAll(async () => {
      opened = await open();
    }, TOOLS_WITHIN_MS);
    afterAll(() => opened?.close());
    objectContract(store);
    listingContract(store);
    stagedContract(store);
    stagedHoldersContract(store);
    stagedLimitsContract(store);
  });
}
