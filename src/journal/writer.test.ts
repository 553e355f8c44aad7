import { describe, expect, test } from 'bun:test';
import { type Fault, FaultyDriver, TestClock } from '../../test/support/deterministic.ts';
import { FEW } from '../../test/support/generators.ts';
import { REPO, slotsOf, writeLog } from '../../test/support/slots.ts';
import { openWriter, setTags, slotsIn, tagsSetIn } from '../../test/support/writers.ts';
import { RegistryError, Unanswered } from '../oci/errors.ts';
import type { Tag } from '../oci/names.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { markerKey, slotKey } from '../storage/paths.ts';
import { accept, type Command, refuse } from './command.ts';

const refused = new RegistryError('manifest-unknown', 'no');
const refusing: Command<never> = { decide: () => refuse(refused) };
const [digest] = FEW.manifests as [(typeof FEW.manifests)[number]];

function names(count: number, prefix = 't'): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}

/** What the promise was rejected with. */
async function kindOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => 'resolved',
    (reason: unknown) => reason,
  );
  return error instanceof RegistryError ? error.kind : String(error);
}

describe('group commit', () => {
  test('many commands at once share few slots, in the order in which they came', async () => {
    const driver = new MemoryDriver();
    const { writer, appends } = openWriter(driver, new TestClock());
    expect(await Promise.all(names(200).map((name) => writer.submit(setTags(name))))).toEqual(names(200));
    expect(appends).toEqual([200]);
    expect(await tagsSetIn(driver)).toEqual(names(200));
  });

  test('a command that is refused for what another of its batch does hears of it when the batch is written', async () => {
    const driver = new MemoryDriver();
    const { writer } = openWriter(driver, new TestClock());
    const once: Command<void> = {
      needs: { tags: ['a' as Tag] },
      decide: (facts) =>
        facts.tag('a' as Tag) === undefined
          ? accept(undefined, { type: 'tag.set', tag: 'a' as Tag, digest })
          : refuse(refused),
    };
    const first = writer.submit(once);
    const tags = writer.submit(once).catch(() => tagsSetIn(driver));
    expect<unknown>(await tags).toEqual(['a']);
    await first;
  });

  test('a batch has at most 256 events, of however many commands they come', async () => {
    for (const each of [1, 3]) {
      const driver = new MemoryDriver();
      const { writer } = openWriter(driver, new TestClock());
      await Promise.all(names(400).map((name) => writer.submit(setTags(name, ...names(each - 1, `${name}-`)))));
      const sizes = (await slotsIn(driver)).map(({ events }) => events.length);
      expect(sizes.reduce((sum, size) => sum + size)).toBe(400 * each);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(256);
      expect(sizes.length).toBe(Math.ceil((400 * each) / 255));
      expect(await tagsSetIn(driver)).toHaveLength(new Set(await tagsSetIn(driver)).size);
    }
  });

  test('a command that alone is larger is one batch', async () => {
    const driver = new MemoryDriver();
    const { writer } = openWriter(driver, new TestClock());
    const [first = '', ...others] = names(300);
    await Promise.all([
      writer.submit(setTags('a')),
      writer.submit(setTags(first, ...others)),
      writer.submit(setTags('b')),
    ]);
    expect((await slotsIn(driver)).map(({ events }) => events.length)).toEqual([1, 300, 1]);
  });

  test('a batch has at most 1 MiB, whatever makes its events long', async () => {
    const long = 'x'.repeat(300_000);
    const put = { type: 'manifest.put' as const, digest, size: 1, inc: FEW.incarnations[0] ?? expect.unreachable() };
    for (const facts of [
      { refs: [], artifactType: long },
      { refs: [], annotations: { long } },
      { refs: Array.from({ length: 300_000 / 71 }, () => digest) },
    ]) {
      const driver = new MemoryDriver();
      const { writer } = openWriter(driver, new TestClock());
      const command: Command<void> = {
        decide: () => accept(undefined, { ...put, mediaType: 'application/x.y', ...facts }),
      };
      await Promise.all(Array.from({ length: 9 }, () => writer.submit(command)));
      expect((await slotsIn(driver)).map(({ events }) => events.length)).toEqual([3, 3, 3]);
      expect((await driver.head(slotKey(REPO, 1)))?.size).toBeLessThanOrEqual(1024 * 1024);
    }
  });

  test('a command sees what the commands before it in the same batch decided, and what earlier batches did', async () => {
    const driver = new MemoryDriver();
    const { writer } = openWriter(driver, new TestClock());
    const setOnce: Command<boolean> = {
      decide: (facts) => {
        const tag = 'once' as Tag;
        return facts.tag(tag) === undefined ? accept(true, { type: 'tag.set', tag, digest }) : accept(false);
      },
    };
    const together = await Promise.all(Array.from({ length: 5 }, () => writer.submit(setOnce)));
    expect(together).toEqual([true, false, false, false, false]);
    expect(await writer.submit(setOnce)).toBe(false);
    expect(await tagsSetIn(driver)).toEqual(['once']);
  });

  test('commands that are refused, or that fail, do not stop the others', async () => {
    const driver = new MemoryDriver();
    const { writer } = openWriter(driver, new TestClock());
    const failing: Command<never> = { decide: () => Promise.reject(new Error('defect')) };
    const throwing: Command<never> = {
      decide: () => {
        throw new Error('defect');
      },
    };
    const results = await Promise.allSettled([
      writer.submit(setTags('a')),
      writer.submit(refusing),
      writer.submit(failing),
      writer.submit(throwing),
      writer.submit(setTags('b')),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: refused });
    expect(await tagsSetIn(driver)).toEqual(['a', 'b']);
  });

  test('no slot names bytes that did not become durable: their command fails alone, the others are written', async () => {
    const driver = new MemoryDriver();
    const { writer } = openWriter(driver, new TestClock());
    const gone = new Error('no room after all');
    const results = await Promise.allSettled([
      writer.submit(setTags('a')),
      writer.submit({ ...setTags('b'), written: { settle: () => Promise.reject(gone) } }),
      writer.submit({ ...setTags('c'), written: { settle: async () => {} } }),
    ]);
    expect(results[1]).toEqual({ status: 'rejected', reason: gone });
    expect(await tagsSetIn(driver)).toEqual(['a', 'c']);
    expect(await slotsIn(driver)).toHaveLength(1);
  });

  test('a slot is not written before the bytes are durable that it names', async () => {
    const driver = new MemoryDriver();
    const { writer } = openWriter(driver, new TestClock());
    const { promise, resolve } = Promise.withResolvers<void>();
    const submitted = writer.submit({ ...setTags('a'), written: { settle: () => promise } });
    await Bun.sleep(5);
    expect(await slotsIn(driver)).toEqual([]);
    resolve();
    expect(await submitted).toBe('a');
    expect(await slotsIn(driver)).toHaveLength(1);
  });

  test('nothing to do, or only refusals, leaves no trace in the store', async () => {
    const driver = new MemoryDriver();
    const { writer } = openWriter(driver, new TestClock());
    expect(await writer.submit({ decide: () => accept('nothing to do') })).toBe('nothing to do');
    expect(await kindOf(writer.submit(refusing))).toBe('manifest-unknown');
    expect(await driver.head(markerKey(REPO))).toBeUndefined();
    expect(await slotsIn(driver)).toEqual([]);
  });

  test('the view has the batch before the command is acknowledged', async () => {
    const { writer, view } = openWriter(new MemoryDriver(), new TestClock());
    await writer.submit(setTags('seen'));
    expect(view.state.tag('seen' as Tag)).toBe(digest);
  });

  test('decisions that wait for storage do not add up: what is late is not decided', async () => {
    const clock = new TestClock();
    const driver = new MemoryDriver();
    const { writer } = openWriter(driver, clock);
    let decided = 0;
    const slow: Command<void> = {
      decide: async () => {
        decided++;
        clock.advance(10_000);
        throw new Unanswered('no answer');
      },
    };
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => kindOf(writer.submit(slow))));
    expect(outcomes).toEqual(['Unanswered: no answer', ...Array(19).fill('unavailable')]);
    expect(decided).toBe(1);
  });

  test('is idle only while nobody waits', async () => {
    const { writer } = openWriter(new MemoryDriver(), new TestClock());
    expect(writer.idle).toBe(true);
    const submitted = writer.submit(setTags('a'));
    expect(writer.idle).toBe(false);
    await submitted;
    await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    expect(writer.idle).toBe(true);
  });
});

describe('the first slot', () => {
  test('comes after the marker', async () => {
    const driver = new FaultyDriver(() => 'none');
    const { writer } = openWriter(driver, new TestClock());
    await writer.submit(setTags('a'));
    await writer.submit(setTags('b'));
    expect(driver.created).toEqual([markerKey(REPO), slotKey(REPO, 1), slotKey(REPO, 2)]);
  });

  test('is decided again once the marker is there: nothing that was looked at before it counts', async () => {
    const driver = new MemoryDriver();
    const { writer } = openWriter(driver, new TestClock());
    const marked: boolean[] = [];
    const decide = async () => {
      marked.push((await driver.head(markerKey(REPO))) !== undefined);
      return accept(undefined, { type: 'gc.fence' as const, epoch: FEW.incarnations[0] ?? expect.unreachable() });
    };
    await writer.submit({ decide });
    await writer.submit({ decide });
    expect(marked).toEqual([false, true, true]);
    expect(await slotsIn(driver)).toHaveLength(2);
  });

  test('is not written while it is unknown whether the marker is there', async () => {
    const clock = new TestClock();
    const driver = new FaultyDriver((key) => (key === markerKey(REPO) ? 'before writing' : 'none'));
    const { writer } = openWriter(driver, clock);
    expect(await kindOf(writer.submit(setTags('a')))).toBe('unavailable');
    expect(await driver.head(slotKey(REPO, 1))).toBeUndefined();
  });
});

describe('no answer from storage', () => {
  test.each<Fault>(['before writing', 'after writing'])(
    '%s: the same slot again, exactly once in the end',
    async (fault) => {
      const faults: Fault[] = ['none', fault, fault, fault];
      const driver = new FaultyDriver(() => faults.shift() ?? 'none');
      const { writer, appends } = openWriter(driver, new TestClock());
      await Promise.all(['a', 'b'].map((name) => writer.submit(setTags(name))));
      await writer.submit(setTags('c'));
      expect(await tagsSetIn(driver)).toEqual(['a', 'b', 'c']);
      expect(appends).toEqual([2, 1]);
    },
  );

  test.each<Fault>(['before writing', 'after writing'])('to the marker, %s: asked again', async (fault) => {
    const faults: Fault[] = [fault];
    const driver = new FaultyDriver(() => faults.shift() ?? 'none');
    const { writer } = openWriter(driver, new TestClock());
    await writer.submit(setTags('a'));
    expect(await tagsSetIn(driver)).toEqual(['a']);
    expect(await driver.head(markerKey(REPO))).toBeDefined();
  });

  test('for ten seconds: `unavailable`, and what comes later goes on from what was written after all', async () => {
    const clock = new TestClock();
    let silent = true;
    const driver = new FaultyDriver((key) => (silent && key !== markerKey(REPO) ? 'after writing' : 'none'));
    // A store that has written, but whose reads give no answer either.
    const read = driver.read.bind(driver);
    driver.read = (key) => (silent ? Promise.reject(new Error('no answer')) : read(key));
    const { writer, view } = openWriter(driver, clock);
    const begun = clock.now();
    expect(await kindOf(writer.submit(setTags('late')))).toBe('unavailable');
    expect(clock.now() - begun).toBeLessThanOrEqual(10_000);
    expect(clock.now() - begun).toBeGreaterThan(9_000);
    silent = false;
    await writer.submit(setTags('next'));
    expect(await tagsSetIn(driver)).toEqual(['late', 'next']);
    expect(view.state.tagNames.page(undefined, 9).names).toEqual(['late', 'next'] as Tag[]);
  });

  test('a full disk is told at once, and does not stop the next command', async () => {
    const driver = new MemoryDriver();
    const { writer } = openWriter(driver, new TestClock());
    const create = driver.create.bind(driver);
    driver.create = () => Promise.reject(new RegistryError('storage-full', 'full'));
    expect(await kindOf(writer.submit(setTags('a')))).toBe('storage-full');
    driver.create = create;
    expect(await writer.submit(setTags('b'))).toBe('b');
    expect(await tagsSetIn(driver)).toEqual(['b']);
  });

  test('a slot that is taken but broken stops the repository with the reason', async () => {
    const driver = new MemoryDriver();
    const { writer } = openWriter(driver, new TestClock());
    await driver.put(slotKey(REPO, 1), new TextEncoder().encode('{"v":2}'));
    expect(await kindOf(writer.submit(setTags('a')))).toBe('log-broken');
  });
});

describe('another writer', () => {
  test('has written already: its events come first, and the command is decided on them', async () => {
    const driver = new MemoryDriver();
    await writeLog(driver, slotsOf([[{ type: 'tag.set', tag: 'theirs' as Tag, digest }], [{ type: 'repo.deleted' }]]));
    const { writer, view } = openWriter(driver, new TestClock());
    const seen: boolean[] = [];
    await writer.submit({
      decide: (facts) => {
        seen.push(facts.exists);
        return accept(undefined, { type: 'tag.set', tag: 'ours' as Tag, digest });
      },
    });
    // Before the marker, after it, and after the slot was found taken.
    expect(seen).toEqual([false, false, false]);
    expect(view.state.seq).toBe(3);
    expect(await tagsSetIn(driver)).toEqual(['theirs', 'ours']);
  });

  test('may not have told anyone of its slot, so the one that finds it does', async () => {
    const [driver, clock] = [new MemoryDriver(), new TestClock()];
    const { writer, appends, found } = openWriter(driver, clock);
    await writer.submit(setTags('a'));
    const rival = openWriter(driver, clock, 1);
    await rival.writer.submit(setTags('theirs'));
    expect(rival.found).toEqual([1]);
    expect(found).toEqual([]);
    // Once the slot is found there is nothing left to write.
    await writer.submit({
      decide: (facts) =>
        facts.tag('theirs' as Tag) === undefined
          ? accept(undefined, { type: 'tag.set', tag: 'theirs' as Tag, digest })
          : accept(undefined),
    });
    expect(appends).toEqual([1]);
    expect(found).toEqual([2]);
    await writer.submit(setTags('b'));
    expect(found).toEqual([2]);
  });

  test('may have been killed before its slot was durable: the slot is confirmed before it counts', async () => {
    const driver = new MemoryDriver();
    await writeLog(driver, slotsOf([[{ type: 'repo.deleted' }]]));
    const order: string[] = [];
    const { writer, view } = openWriter(driver, new TestClock());
    Object.assign(driver, { confirm: async (key: string) => order.push(`confirm ${key} at ${view.state.seq}`) });
    await writer.submit(setTags('a'));
    expect(order).toEqual([`confirm ${markerKey(REPO)} at 0`, `confirm ${slotKey(REPO, 1)} at 0`]);
  });

  test('that always wins makes nobody wait for longer than the deadline', async () => {
    const clock = new TestClock();
    const driver = new FaultyDriver(() => 'none');
    const rival = openWriter(driver, clock, 1);
    const { writer } = openWriter(driver, clock, 2);
    const submitted = writer.submit({
      decide: async () => {
        clock.advance(1000);
        await rival.writer.submit(setTags(`rival-${clock.now()}`));
        return accept(undefined, { type: 'tag.set', tag: 'never' as Tag, digest });
      },
    });
    expect(await kindOf(submitted)).toBe('unavailable');
    expect(await tagsSetIn(driver)).not.toContain('never');
  });
});
