import { afterAll, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { countingIncarnations, TestClock } from '../../../test/support/deterministic.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { cleanUp, temporaryFolder } from '../../../test/support/server.ts';
import { type Algorithm, digestOf } from '../../oci/digest.ts';
import { codeOf } from '../../system/error-code.ts';
import type { StoredObject, StoreReader } from '../driver.ts';
import { MemoryDriver } from '../memory/driver.ts';
import { dataKey } from '../paths.ts';
import { BlobCache } from './cache.ts';
import { type CachedBlob, openBlob } from './copies.ts';
import { CacheFolder, CacheRefused } from './folder.ts';

const SIZE = 100_000;

const clock = new TestClock();
const newId = countingIncarnations(clock.now);
afterAll(cleanUp);

interface Site {
  readonly cache: BlobCache;
  /** As a request does. */
  readonly open: (blob: CachedBlob) => Promise<StoredObject | undefined>;
  readonly driver: MemoryDriver;
  readonly path: string;
  /** What the observer was told, in order. */
  readonly told: string[];
}

function openSite(
  options: {
    readonly path?: string;
    readonly limit?: number;
    readonly freeShare?: number;
    readonly from?: Pick<StoreReader, 'open'>;
    readonly driver?: MemoryDriver;
  } = {},
): Site {
  const { path = join(temporaryFolder('cache'), 'cache'), limit = 10 * SIZE, freeShare = 0 } = options;
  const driver = options.driver ?? new MemoryDriver();
  const source = options.from ?? driver;
  const told: string[] = [];
  const cache = new BlobCache({
    ...{ driver: source, limit, newId, now: clock.now },
    folder: CacheFolder.open(path, freeShare),
    observer: {
      requested: (outcome) => told.push(outcome),
      filled: (outcome) => told.push(outcome),
      evicted: () => told.push('evicted'),
      failed: (_, error) => told.push(codeOf(error) ?? (error instanceof Error ? error.name : String(error))),
    },
  });
  return { cache, open: (blob) => openBlob(blob, { copies: cache, driver: source }), driver, path, told };
}

async function stored(driver: MemoryDriver, algorithm: Algorithm = 'sha256', size = SIZE): Promise<CachedBlob> {
  const bytes = new Uint8Array(randomBytes(size));
  const inc = newId();
  await driver.put(dataKey(inc), bytes);
  return { inc, size, digest: digestOf(algorithm, bytes) };
}

/** What a client gets. */
async function pull({ open }: Site, blob: CachedBlob, start = 0): Promise<Uint8Array> {
  const object = await open(blob);
  if (object === undefined) throw new Error('there is no such object');
  const { body, size } = object;
  if (body.kind === 'file') return await Bun.file(body.path).slice(start, size).bytes();
  return await new Response(body.open({ start, end: size })).bytes();
}

/** Pulls it twice, so that it is fetched. */
async function fill(site: Site, blob: CachedBlob): Promise<void> {
  const before = site.told.length;
  await pull(site, blob);
  await pull(site, blob);
  await eventually(() => expect(site.told.slice(before)).toContainEqual(expect.stringMatching(/kept|refused|failed/)));
}

for (const algorithm of ['sha256', 'sha512'] as const) {
  test(`a blob that is pulled again is sent from a file the third time, with the same bytes (${algorithm})`, async () => {
    const site = openSite();
    const blob = await stored(site.driver, algorithm);
    await fill(site, blob);
    expect(site.told).toEqual(['miss', 'miss', 'kept']);
    expect(site.cache.bytes).toBe(SIZE);
    expect(digestOf(algorithm, await pull(site, blob))).toBe(blob.digest);
    const whole = await site.driver.read(dataKey(blob.inc));
    expect(await pull(site, blob, 99_000)).toEqual(new Uint8Array(whole?.slice(99_000) ?? []));
    expect(site.told.slice(3)).toEqual(['hit', 'hit']);
    // Nor is the store asked any more.
    await site.driver.delete([dataKey(blob.inc)]);
    expect(digestOf(algorithm, await pull(site, blob))).toBe(blob.digest);
    expect(readdirSync(join(site.path, 'tmp'))).toEqual([]);
    await site.cache.close();
  });
}

test('a blob that is pulled once, in later ranges, or again after days is not cached', async () => {
  const site = openSite();
  for (let n = 0; n < 50; n++) await pull(site, await stored(site.driver));
  const blob = await stored(site.driver);
  await pull(site, blob);
  for (const start of [1, 50_000]) await pull(site, blob, start);
  clock.advance(25 * 3_600_000);
  await pull(site, blob);
  await site.cache.close();
  expect(new Set(site.told)).toEqual(new Set(['miss']));
  expect(readdirSync(join(site.path, 'blobs'))).toEqual([]);
});

test('a blob is not fetched beside its second pull, but once that ends, or a third client begins', async () => {
  const site = openSite();
  const [twice, thrice] = [await stored(site.driver), await stored(site.driver)];
  const begin = async (blob: CachedBlob): Promise<ReadableStream<Uint8Array>> => {
    const object = await site.open(blob);
    if (object?.body.kind !== 'stream') return expect.unreachable('it is read from a file');
    return object.body.open({ start: 0, end: SIZE });
  };
  const [first, second] = [await begin(twice), await begin(twice)];
  await first.cancel();
  await Bun.sleep(50);
  expect(readdirSync(join(site.path, 'blobs'))).toEqual([]);
  expect((await new Response(second).bytes()).length).toBe(SIZE);
  await eventually(() => expect(site.told).toContain('kept'));
  site.told.length = 0;
  const streams = [await begin(thrice), await begin(thrice), await begin(thrice)];
  await eventually(() => expect(site.told).toContain('kept'));
  for (const stream of streams) await stream.cancel();
  await site.cache.close();
});

test('concurrent pulls cause one fetch', async () => {
  const site = openSite();
  const blob = await stored(site.driver);
  await Promise.all(Array.from({ length: 20 }, () => pull(site, blob)));
  await eventually(() => expect(site.told).toContain('kept'));
  expect(site.told.filter((each) => each === 'kept')).toEqual(['kept']);
  await site.cache.close();
});

test.each([
  ['other bytes', SIZE],
  ['fewer bytes', SIZE - 1],
])('%s than those of the digest are never kept', async (_, size) => {
  const driver = new MemoryDriver();
  let open: StoreReader['open'] = (key) => driver.open(key);
  const site = openSite({ driver, from: { open: (key) => open(key) } });
  const blob = await stored(driver);
  const wrong = await stored(driver, 'sha256', size);
  // It says that it is of the right length, as a damaged store may.
  open = async () => {
    const object = await driver.open(dataKey(wrong.inc));
    return object === undefined ? undefined : { ...object, size: SIZE };
  };
  await fill(site, blob);
  expect(site.told).toEqual(['miss', 'miss', 'WrongBytes', 'failed']);
  expect([readdirSync(join(site.path, 'blobs')), readdirSync(join(site.path, 'tmp'))]).toEqual([[], []]);
  open = (key) => driver.open(key);
  expect(digestOf('sha256', await pull(site, blob))).toBe(blob.digest);
  await site.cache.close();
});

test('an absent object is undefined, and one of another length is left to the caller', async () => {
  const site = openSite();
  const blob = await stored(site.driver);
  expect(await site.open({ ...blob, inc: newId() })).toBeUndefined();
  expect((await site.open({ ...blob, size: SIZE + 1 }))?.size).toBe(SIZE);
  await site.cache.close();
});

test('the least recently used file is evicted, but not one that was used a moment ago', async () => {
  const site = openSite({ limit: 2 * SIZE });
  const [first, second, third] = [await stored(site.driver), await stored(site.driver), await stored(site.driver)];
  await fill(site, first);
  await fill(site, second);
  await fill(site, third);
  expect(site.told.at(-1)).toBe('refused');
  clock.advance(31_000);
  await pull(site, first);
  clock.advance(1);
  await fill(site, third);
  expect(site.told.slice(-2)).toEqual(['evicted', 'kept']);
  expect(site.cache.bytes).toBe(2 * SIZE);
  site.told.length = 0;
  for (const blob of [first, second, third]) await pull(site, blob);
  expect(site.told).toEqual(['hit', 'miss', 'hit']);
  await site.cache.close();
});

test('a blob of more than half of the limit is not cached', async () => {
  const site = openSite({ limit: 2 * SIZE - 1 });
  const blob = await stored(site.driver);
  for (let n = 0; n < 5; n++) await pull(site, blob);
  await site.cache.close();
  expect(site.told).toEqual(Array.from({ length: 5 }, () => 'miss'));
});

test('on a disk that others need nothing is fetched, and files are evicted', async () => {
  const path = join(temporaryFolder('cache'), 'cache');
  const roomy = openSite({ path });
  const blob = await stored(roomy.driver);
  await fill(roomy, blob);
  await roomy.cache.close();
  const site = openSite({ path, driver: roomy.driver, freeShare: 1 });
  expect([site.cache.bytes, readdirSync(join(path, 'blobs'))]).toEqual([0, []]);
  await fill(site, blob);
  expect(site.told).toEqual(['evicted', 'miss', 'miss', 'refused']);
  await site.cache.close();
});

test('the next process keeps complete files, and removes others', async () => {
  const site = openSite();
  const [kept, cut] = [await stored(site.driver), await stored(site.driver)];
  await fill(site, kept);
  await fill(site, cut);
  await site.cache.close();
  const blobs = join(site.path, 'blobs');
  truncateSync(join(blobs, `${cut.inc}.${SIZE}`), 10);
  writeFileSync(join(site.path, 'tmp', newId()), 'half of it');
  const next = openSite({ path: site.path, driver: site.driver });
  expect(readdirSync(blobs)).toEqual([`${kept.inc}.${SIZE}`]);
  expect(readdirSync(join(site.path, 'tmp'))).toEqual([]);
  expect(digestOf('sha256', await pull(next, kept))).toBe(kept.digest);
  expect(digestOf('sha256', await pull(next, cut))).toBe(cut.digest);
  expect(next.told).toEqual(['hit', 'miss']);
  await next.cache.close();
});

test('nothing is removed from a folder of another owner', async () => {
  const path = temporaryFolder('layout');
  const layer = join(path, 'blobs', 'sha256', 'a'.repeat(64));
  mkdirSync(dirname(layer), { recursive: true });
  mkdirSync(join(path, 'tmp', 'below'), { recursive: true });
  const theirs = [layer, join(path, 'blobs', 'notes'), join(path, 'tmp', 'work'), join(path, 'tmp', 'below', 'more')];
  for (const file of theirs) writeFileSync(file, 'theirs');
  const site = openSite({ path });
  const blob = await stored(site.driver);
  await fill(site, blob);
  await site.cache.close();
  for (const file of theirs) expect(readFileSync(file, 'utf8')).toBe('theirs');
});

test('a file that cannot be opened is a miss, and stays counted', async () => {
  const site = openSite();
  const blob = await stored(site.driver);
  await fill(site, blob);
  const file = join(site.path, 'blobs', `${blob.inc}.${SIZE}`);
  renameSync(file, `${file}.aside`);
  // Opening it fails as it does without descriptors: it is there, and cannot be read.
  symlinkSync(file, file);
  expect(digestOf('sha256', await pull(site, blob))).toBe(blob.digest);
  expect(site.cache.bytes).toBe(SIZE);
  renameSync(`${file}.aside`, file);
  expect(digestOf('sha256', await pull(site, blob))).toBe(blob.digest);
  expect(site.told).toEqual(['miss', 'miss', 'kept', 'miss', 'hit']);
  await site.cache.close();
});

test.each([
  ['a file that is gone', (_: string, file: string) => rmSync(file)],
  ['a file that was cut', (_: string, file: string) => truncateSync(file, 5)],
  ['a folder that is gone', (path: string) => rmSync(path, { recursive: true })],
])('%s is a miss, and the blob is fetched again', async (_, damage) => {
  const site = openSite();
  const blob = await stored(site.driver);
  for (let n = 0; n < 2; n++) {
    await fill(site, blob);
    damage(site.path, join(site.path, 'blobs', `${blob.inc}.${SIZE}`));
  }
  await fill(site, blob);
  expect(digestOf('sha256', await pull(site, blob))).toBe(blob.digest);
  expect(site.told).toEqual([...Array.from({ length: 3 }, () => ['miss', 'miss', 'kept']).flat(), 'hit']);
  expect(site.cache.bytes).toBe(SIZE);
  await site.cache.close();
});

test('if the folder cannot be created again, clients are served from the store', async () => {
  const site = openSite();
  const blob = await stored(site.driver);
  await fill(site, blob);
  rmSync(site.path, { recursive: true });
  writeFileSync(site.path, 'a file in the place of the folder');
  await fill(site, blob);
  expect(digestOf('sha256', await pull(site, blob))).toBe(blob.digest);
  expect(site.told).toEqual(['miss', 'miss', 'kept', 'miss', 'miss', 'ENOTDIR', 'failed', 'miss']);
  await site.cache.close();
});

test('closing stops fetches', async () => {
  const silent: Pick<StoreReader, 'open'> = {
    open: async () => ({ size: SIZE, body: { kind: 'stream', open: () => new ReadableStream({}) } }),
  };
  const site = openSite({ from: silent });
  const blob = await stored(site.driver);
  for (let n = 0; n < 2; n++) {
    const object = await site.open(blob);
    if (object?.body.kind === 'stream') await object.body.open({ start: 0, end: SIZE }).cancel();
  }
  await eventually(() => expect(readdirSync(join(site.path, 'tmp'))).toHaveLength(1));
  await site.cache.close();
  expect(site.told).toEqual(['miss', 'miss', 'failed']);
  expect(readdirSync(join(site.path, 'tmp'))).toEqual([]);
});

test('a folder that another process holds, or that is none, is refused in one line', () => {
  const folder = temporaryFolder('cache');
  const path = join(folder, 'cache');
  const held = CacheFolder.open(path);
  // Another open file of the same process has a lock of its own, as one of another process has.
  expect(() => CacheFolder.open(path)).toThrow(new CacheRefused(`${path} is in use by another Marina`));
  held.close();
  CacheFolder.open(path).close();
  const file = join(folder, 'file');
  writeFileSync(file, '');
  expect(() => CacheFolder.open(file)).toThrow(`${file} cannot be used (EEXIST)`);
  expect(() => CacheFolder.open(join(file, 'below'))).toThrow(/cannot be used \(ENOTDIR\)$/);
  expect(existsSync(path)).toBe(true);
});
