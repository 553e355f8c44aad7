import { describe, expect, test } from 'bun:test';
import { countingIncarnations, TestClock } from '../../test/support/deterministic.ts';
import { text } from '../../test/support/registry.ts';
import { digestOf } from '../oci/digest.ts';
import type { Incarnation } from '../oci/names.ts';
import type { Key } from '../storage/driver.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { dataKey } from '../storage/paths.ts';
import { ByteCopier, type NamedBytes } from './copy-bytes.ts';
import { SourceAway } from './source-errors.ts';

const clock = new TestClock();
const newId = countingIncarnations(clock.now);
const { signal } = new AbortController();

function open() {
  const here = new Map<Key, Uint8Array>();
  const there = new Map<Incarnation, Uint8Array>();
  const asked: Incarnation[] = [];
  /** After how many bytes the source breaks off. */
  const breaks = { after: Number.POSITIVE_INFINITY };
  const read = { bytes: 0 };
  const copier = new ByteCopier({
    driver: new MemoryDriver(here),
    instance: '01BX5ZZKBKACTAV9WEVGEMMVRZ',
    now: clock.now,
    copied: () => {},
    source: {
      objects: async (wanted) => {
        asked.push(...wanted);
        const found = wanted.flatMap((inc) => {
          const bytes = there.get(inc);
          const shown = bytes !== undefined && bytes.length < 1000 ? Buffer.from(bytes).toString('base64') : undefined;
          return bytes === undefined
            ? []
            : [{ incarnation: inc, size: bytes.length, ...(shown === undefined ? {} : { bytes: shown }) }];
        });
        return { objects: found };
      },
      open: async (inc) => {
        asked.push(inc);
        const bytes = there.get(inc);
        if (bytes === undefined) return undefined;
        async function* chunks(all: Uint8Array): AsyncGenerator<Uint8Array> {
          for (let start = 0; start < all.length; start += 10_000) {
            read.bytes += 10_000;
            yield all.slice(start, start + 10_000);
          }
        }
        return { size: bytes.length, headers: new Headers(), chunks: chunks(bytes.slice(0, breaks.after)) };
      },
    },
  });
  const add = (bytes: Uint8Array): NamedBytes => {
    const inc = newId();
    there.set(inc, bytes);
    return { inc, digest: digestOf('sha256', bytes), size: bytes.length };
  };
  const has = (inc: Incarnation): Uint8Array | undefined => here.get(dataKey(inc));
  return { here, there, asked, breaks, read, copier, add, has };
}

describe('bytes of the source', () => {
  test('are stored under their names, small ones together, large ones alone, and none twice', async () => {
    const { there, asked, copier, add, has } = open();
    const named = [
      add(text('one')),
      add(text('two')),
      add(new Uint8Array(2_000)),
      add(new Uint8Array(100_000).fill(7)),
    ];
    expect(await copier.copy([...named, ...named], signal)).toEqual([]);
    for (const { inc } of named) expect(Buffer.compare(has(inc) ?? text(''), there.get(inc) ?? text('x'))).toBe(0);
    const before = asked.length;
    await copier.copy(named, signal);
    copier.forget();
    await copier.copy(named, signal);
    expect(asked).toHaveLength(before);
  });

  test('that are here already are verified if they are small, because their name may be older than their bytes', async () => {
    const { here, copier, add, has, asked } = open();
    const [torn, whole] = [add(text('torn by a power cut')), add(text('whole'))];
    here.set(dataKey(torn.inc), new Uint8Array(torn.size));
    here.set(dataKey(whole.inc), text('whole'));
    await copier.copy([torn, whole], signal);
    expect(has(torn.inc)).toEqual(text('torn by a power cut'));
    expect(asked).toEqual([torn.inc]);
  });

  test('are not stored if they are absent, or are not what the log says', async () => {
    const { there, copier, add, has } = open();
    const [small, large, gone] = [add(text('small')), add(new Uint8Array(100_000)), add(text('gone'))];
    there.set(small.inc, text('other'));
    there.set(large.inc, new Uint8Array(100_000).fill(1));
    there.delete(gone.inc);
    const failed = await copier.copy([small, large, gone], signal);
    const why = new Map(failed.map((each) => [each.inc, each.why]));
    expect([small, large, gone].map(({ inc }) => why.get(inc))).toEqual(['damaged', 'damaged', 'absent']);
    for (const { inc } of [small, large, gone]) expect(has(inc)).toBeUndefined();
  });

  test('that break off are asked for again later', async () => {
    const { there, breaks, copier, add, has } = open();
    const large = add(new Uint8Array(100_000).fill(3));
    const all = there.get(large.inc) ?? text('');
    breaks.after = 50_000;
    await expect(copier.copy([large], signal)).rejects.toThrow(SourceAway);
    expect(has(large.inc)).toBeUndefined();
    breaks.after = Number.POSITIVE_INFINITY;
    expect(await copier.copy([large], signal)).toEqual([]);
    expect(has(large.inc)).toEqual(all);
  });

  test('that the source itself has only a part of are damaged, and do not stop the others', async () => {
    const { there, copier, add, has } = open();
    const [cut, whole] = [add(new Uint8Array(100_000).fill(3)), add(new Uint8Array(100_000).fill(4))];
    there.set(cut.inc, new Uint8Array(50_000).fill(3));
    expect(await copier.copy([cut, whole], signal)).toEqual([{ ...cut, why: 'damaged' }]);
    expect(has(cut.inc)).toBeUndefined();
    expect(has(whole.inc)).toEqual(there.get(whole.inc));
  });

  test('that are more than the log says are damaged, and are not read to their end', async () => {
    const { there, read, copier, add, has } = open();
    const [long, whole] = [add(new Uint8Array(100_000).fill(3)), add(new Uint8Array(100_000).fill(4))];
    there.set(long.inc, new Uint8Array(10_000_000).fill(3));
    expect(await copier.copy([long, whole], signal)).toEqual([{ ...long, why: 'damaged' }]);
    expect(has(long.inc)).toBeUndefined();
    expect(has(whole.inc)).toEqual(there.get(whole.inc));
    expect(read.bytes).toBe(210_000);
  });
});
