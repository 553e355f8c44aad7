import { describe, expect, test } from 'bun:test';
import { countingIncarnations, TestClock } from '../../test/support/deterministic.ts';
import type { CreateResult, Key, ListedObject } from './driver.ts';
import { MemoryDriver } from './memory/driver.ts';
import { FORMAT } from './paths.ts';
import { encodeFormat, newStore, openFormat, proveStore, readIdentity, StoreRefused } from './prepare.ts';

const newId = countingIncarnations(new TestClock().now);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('the format of a store', () => {
  test('is written into an empty one, and keeps its identity from then on', async () => {
    const driver = new MemoryDriver();
    expect(await readIdentity(driver)).toBeUndefined();
    const identity = await openFormat(driver, newStore(newId));
    const { store } = identity;
    expect(identity).toEqual({ store, secrets: store, instance: store });
    expect(await openFormat(driver, newStore(newId))).toEqual(identity);
    expect(await readIdentity(driver)).toEqual(identity);
    expect(JSON.parse(new TextDecoder().decode(await driver.read(FORMAT)))).toEqual({ layout: 1, store });
  });

  test('is the same for all who open an empty store at once', async () => {
    const driver = new MemoryDriver();
    const stores = await Promise.all(Array.from({ length: 8 }, () => openFormat(driver, newStore(newId))));
    expect(new Set(stores.map(({ store }) => store)).size).toBe(1);
  });

  test('of a replica names the history of its primary and objects of its own', async () => {
    const driver = new MemoryDriver();
    const identity = { store: newId(), secrets: newId(), instance: newId() };
    expect(await openFormat(driver, async () => identity)).toEqual(identity);
    expect(await readIdentity(driver)).toEqual(identity);
  });

  test('of another layout is refused with what to do', async () => {
    const driver = new MemoryDriver();
    await driver.put(FORMAT, bytes(JSON.stringify({ layout: 2, store: newId() })));
    await expect(openFormat(driver, newStore(newId))).rejects.toThrow(
      'the store has layout 2, this version of Marina knows 1',
    );
  });

  test.each(['', 'text', '{}', '[]', '{"layout":1}', '{"layout":"1","store":"x"}', '{"layout":1,"store":"x"}'])(
    'of %j is no store of ours, and is left as it is',
    async (text) => {
      const driver = new MemoryDriver();
      await driver.put(FORMAT, bytes(text));
      await expect(openFormat(driver, newStore(newId))).rejects.toThrow(StoreRefused);
      expect(await driver.read(FORMAT)).toEqual(bytes(text));
    },
  );

  test.each(['catalog/team+app', 'repos/team/app/_log/00000000000000000001'])(
    'is never made anew for a store that has lost it but holds %s',
    async (key) => {
      const driver = new MemoryDriver();
      await driver.put(key, bytes('{}'));
      await expect(openFormat(driver, newStore(newId))).rejects.toThrow(
        new StoreRefused('the store has repositories, but no object `format`: finish copying it, or restore `format`'),
      );
      expect(await driver.read(FORMAT)).toBeUndefined();
    },
  );

  test('is read again if another process made the store, and wrote to it, in the meantime', async () => {
    const identity = await newStore(newId)();
    class Raced extends MemoryDriver {
      override async *list(prefix: Key): AsyncGenerator<ListedObject> {
        await this.create(FORMAT, encodeFormat(identity));
        await this.put('catalog/team+app', bytes(''));
        yield* super.list(prefix);
      }
    }
    expect(await openFormat(new Raced(), newStore(newId))).toEqual(identity);
  });

  test('must be kept by the store', async () => {
    class Forgetful extends MemoryDriver {
      override async create(): Promise<CreateResult> {
        return 'created';
      }
    }
    await expect(openFormat(new Forgetful(), newStore(newId))).rejects.toThrow(StoreRefused);
  });
});

/** A store whose `create` overwrites, as one does that ignores the condition. */
class Overwriting extends MemoryDriver {
  override async create(key: Key, value: Uint8Array): Promise<CreateResult> {
    await this.put(key, value);
    return 'created';
  }
}

/** One that tells everyone that the name is taken. */
class Refusing extends MemoryDriver {
  override async create(): Promise<CreateResult> {
    return 'taken';
  }
}

/** One that tells the right winner, but keeps the last one's bytes. */
class Mixing extends MemoryDriver {
  override async create(key: Key, value: Uint8Array): Promise<CreateResult> {
    const result = await super.create(key, value);
    await this.put(key, value);
    return result;
  }
}

describe('the proof of a store', () => {
  test('passes where create has one winner, and leaves nothing behind', async () => {
    const driver = new MemoryDriver();
    await proveStore(driver, newId, 'unused');
    await proveStore(driver, newId, 'unused');
    for await (const { key } of driver.list('tmp/')) expect(key).toBe('nothing');
  });

  test.each<[string, MemoryDriver, string]>([
    ['overwrites', new Overwriting(), '32 of 32 writers created the same object: it lacks X; use Y'],
    ['lets nobody win', new Refusing(), '0 of 32 writers created the same object: it lacks X; use Y'],
    ['keeps a loser', new Mixing(), 'it gave back other bytes than the only winner wrote: it lacks X; use Y'],
  ])('refuses a store that %s, and says what it lacks', async (_, driver, reason) => {
    const refused: unknown = await proveStore(driver, newId, 'it lacks X; use Y').catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(StoreRefused);
    expect(String(refused)).toContain(`the store cannot hold a log, ${reason}`);
  });
});
