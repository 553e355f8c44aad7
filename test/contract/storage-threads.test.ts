// The driver of a thread that does not own the data folder. The owner is a Worker.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { RegistryError } from '../../src/oci/errors.ts';
import type { Key, StorageDriver } from '../../src/storage/driver.ts';
import { NotDurable } from '../../src/storage/not-durable.ts';
import type { RaceStart } from '../support/create-race-worker.ts';
import { type OpenOwner, openOwner, openThreadDriver } from '../support/folder-owner.ts';
import { cleanUp } from '../support/server.ts';
import { random, text, textOf } from './storage/store.ts';
import { type OpenedStore, storageContract } from './storage.contract.ts';

const THREADS = 3;
/** Slots of one log, small and large: those of more than 64 KiB bypass the write-ahead log. */
const SIZES = [10, 70_000];

afterAll(cleanUp);

async function openThreads(writeAhead: boolean): Promise<OpenedStore> {
  const owner = await openOwner(2, { writeAhead });
  const [driver, other] = await Promise.all(owner.ports.map(openThreadDriver));
  if (driver === undefined || other === undefined) throw new Error('two drivers were wanted');
  return {
    driver,
    other,
    async close() {
      await Promise.all([driver.close(), other.close()]);
      await owner.close();
    },
  };
}

storageContract('a filesystem that another thread owns', () => openThreads(true));
storageContract('a filesystem that another thread owns, without a write-ahead log', () => openThreads(false));

/** Runs a rival in each thread. @returns the keys that each of them won */
async function race(owner: OpenOwner, keys: readonly Key[], size: number): Promise<readonly Key[][]> {
  const ready = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  return await Promise.all(
    owner.ports.map(async (port, index) => {
      const worker = new Worker(new URL('../support/create-race-worker.ts', import.meta.url).href);
      try {
        return await new Promise<Key[]>((resolve, reject) => {
          worker.onmessage = ({ data }: MessageEvent<Key[]>) => resolve(data);
          worker.onerror = ({ message }) => reject(new Error(message));
          const bytes = new Uint8Array(size).fill(index);
          const start: RaceStart = { port, keys, bytes, ready, threads: owner.ports.length };
          worker.postMessage(start, [port]);
        });
      } finally {
        worker.terminate();
      }
    }),
  );
}

describe.each([true, false])('a name that several threads create (write-ahead log: %j)', (writeAhead) => {
  test.each(SIZES)('has one winner, whose %i bytes are kept', async (size) => {
    const owner = await openOwner(THREADS + 1, { writeAhead });
    try {
      const [port, ...rivals] = owner.ports;
      if (port === undefined) return expect.unreachable();
      const keys = Array.from({ length: 100 }, (_, index) => `repos/some/_log/${index}`);
      const won = await race({ ...owner, ports: rivals }, keys, size);
      expect(won.flat().sort()).toEqual([...keys].sort());
      const reader = await openThreadDriver(port);
      for (const [index, names] of won.entries()) {
        for (const key of names) {
          const bytes = await reader.read(key);
          expect([bytes?.length, bytes?.every((byte) => byte === index)]).toEqual([size, true]);
          await reader.confirm(key);
        }
      }
      await reader.close();
    } finally {
      await owner.close();
    }
  });
});

describe('an object that another one refers to', () => {
  let opened: OpenedStore;
  let driver: StorageDriver;
  beforeAll(async () => {
    opened = await openThreads(true);
    driver = opened.driver;
  });
  afterAll(() => opened.close());

  test('is awaited: the other one has no name before', async () => {
    const written = Promise.withResolvers<void>();
    const created = driver.create('catalog/a', text('x'), [{ settle: () => written.promise }]);
    await Bun.sleep(50);
    expect(await driver.head('catalog/a')).toBeUndefined();
    written.resolve();
    expect(await created).toBe('created');
    expect(await textOf(driver, 'catalog/a')).toBe('x');
  });

  test.each([10, 70_000])('may fail: then the other one is not created (%i bytes)', async (size) => {
    const key = `catalog/failed-${size}`;
    const failure = new RegistryError('storage-full', 'no room');
    const lost = { settle: () => Bun.sleep(20).then(() => Promise.reject(failure)) };
    const refused: unknown = await driver.create(key, random(size), [lost]).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(NotDurable);
    expect(refused).toHaveProperty('reasons', new Map([[lost, failure]]));
    expect(await driver.head(key)).toBeUndefined();
    expect(await driver.create(key, text('y'))).toBe('created');
  });

  test('does not delay the answer that the name is taken', async () => {
    await driver.create('catalog/taken', text('x'));
    const never = { settle: () => new Promise<void>(() => {}) };
    expect(await driver.create('catalog/taken', text('y'), [never])).toBe('taken');
  });
});
