import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { chunkLists } from '../../test/support/generators.ts';
import {
  A,
  ACTOR,
  B,
  bodyOf,
  brokenBody,
  CALLER,
  type OpenRegistry,
  openRegistry,
  pulled,
  refusalOf,
  text,
} from '../../test/support/registry.ts';
import { digestOf } from '../oci/digest.ts';
import type { UploadId } from '../oci/names.ts';
import { sessionKey } from '../storage/paths.ts';
import type { UploadBody } from './upload-body.ts';

const pusher = { repo: A, caller: CALLER };
/** More than is buffered in memory. */
const BIG = 300_000;
const big = new Uint8Array(BIG).fill(7);
const bigDigest = digestOf('sha256', big);
const NOTHING = bodyOf([]);

async function offsetOf({ registry }: OpenRegistry, id: UploadId): Promise<number> {
  return (await registry.uploads.status(id, pusher)).offset;
}

describe('a false statement', () => {
  test.each<[string, number, { start: number; end: number }]>([
    ['behind the end', 6, { start: 6, end: 8 }],
    ['before the end', 3, { start: 3, end: 5 }],
    ['again from the beginning', 0, { start: 0, end: 2 }],
  ])(
    'about the range of a chunk, %s, is refused with the offset, and the upload can continue',
    async (_, __, range) => {
      const open = openRegistry();
      const { id } = await open.registry.uploads.start(pusher, 'sha256');
      await open.registry.uploads.append(id, pusher, bodyOf([text('hello')]), undefined);
      const lie: unknown = await open.registry.uploads
        .append(id, pusher, bodyOf([text('abc')]), range)
        .catch((e: unknown) => e);
      expect(lie).toMatchObject({ kind: 'upload-out-of-order', detail: { offset: 5 } });
      const digest = digestOf('sha256', text('hello'));
      expect(await refusalOf(open.registry.uploads.close(id, pusher, digest, bodyOf([text('abc')]), range))).toBe(
        'upload-out-of-order',
      );
      expect(await offsetOf(open, id)).toBe(5);
      await open.registry.uploads.close(id, pusher, digest, NOTHING, undefined);
    },
  );

  test('about the length of a body discards all of it, in whatever chunks it arrives', async () => {
    await fc.assert(
      fc.asyncProperty(chunkLists, fc.nat({ max: 400 }), fc.boolean(), async (chunks, announced, closing) => {
        const real = chunks.reduce((sum, { length }) => sum + length, 0);
        fc.pre(real !== announced);
        const open = openRegistry();
        const { uploads } = open.registry;
        const { id } = await uploads.start(pusher, 'sha256');
        await uploads.append(id, pusher, bodyOf([text('hello')]), undefined);
        const digest = digestOf('sha256', Buffer.concat([text('hello'), ...chunks]));
        const lie = bodyOf(chunks, announced);
        const told = closing
          ? uploads.close(id, pusher, digest, lie, undefined)
          : uploads.append(id, pusher, lie, undefined);
        expect(await refusalOf(told)).toBe('size-mismatch');
        expect(await offsetOf(open, id)).toBe(5);
        await uploads.append(id, pusher, bodyOf(chunks), undefined);
        await uploads.close(id, pusher, digest, NOTHING, undefined);
        expect((await open.registry.blobs.resolve(A, digest)).size).toBe(5 + real);
      }),
    );
  });

  test('about the digest links nothing, and a close with the right digest still finds the earlier bytes', async () => {
    for (const [before, last] of [
      [text('hello'), text(', world')],
      [text('hello'), text('')],
      [text(''), text('hello')],
      [text(''), text('')],
      [text('hello'), big],
      [text(''), big],
    ] as const) {
      const open = openRegistry();
      const { uploads } = open.registry;
      const { id } = await uploads.start(pusher, 'sha256');
      if (before.length > 0) await uploads.append(id, pusher, bodyOf([before]), undefined);
      const wrong = digestOf('sha256', text('something else'));
      expect(await refusalOf(uploads.close(id, pusher, wrong, bodyOf([last]), undefined))).toBe('digest-mismatch');
      expect(await refusalOf(Promise.try(() => open.registry.blobs.resolve(A, wrong)))).toBe('name-unknown');
      expect(await offsetOf(open, id)).toBe(before.length);
      const bytes = Buffer.concat([before, last]);
      await uploads.close(id, pusher, digestOf('sha256', bytes), bodyOf([last]), undefined);
      expect(Buffer.compare(await pulled(open, digestOf('sha256', bytes)), bytes)).toBe(0);
    }
  });

  test('in a single request leaves nothing', async () => {
    for (const bytes of [text('small'), big]) {
      const open = openRegistry();
      const wrong = digestOf('sha256', text('something else'));
      expect(await refusalOf(open.registry.uploads.monolithic(pusher, wrong, bodyOf([bytes])))).toBe('digest-mismatch');
      expect(await refusalOf(open.registry.uploads.monolithic(pusher, bigDigest, bodyOf([big], BIG - 1)))).toBe(
        'size-mismatch',
      );
      expect([await open.dataKeys(), open.sessions.count()]).toEqual([[], 0]);
      for await (const { key } of open.driver.list('uploads/')) expect(key).toBe('nothing');
    }
  });
});

describe('a body that breaks off', () => {
  test('keeps the received bytes, and the upload continues from there', async () => {
    for (const closing of [false, true]) {
      const open = openRegistry();
      const { uploads } = open.registry;
      const { id } = await uploads.start(pusher, 'sha256');
      await uploads.append(id, pusher, bodyOf([text('hello')]), undefined);
      const digest = digestOf('sha256', text('hello, world'));
      const broken = brokenBody([text(', w')], 7);
      const told = closing
        ? uploads.close(id, pusher, digest, broken, undefined)
        : uploads.append(id, pusher, broken, undefined);
      expect(await refusalOf(told)).toBe('upload-interrupted');
      expect(await offsetOf(open, id)).toBe(8);
      const later = openRegistry({ driver: open.driver, number: 2 });
      await later.registry.uploads.close(id, pusher, digest, bodyOf([text('orld')]), { start: 8, end: 11 });
      expect(await pulled(later, digest)).toEqual(text('hello, world'));
    }
  });

  test('before its first byte changes nothing', async () => {
    const open = openRegistry();
    const { uploads } = open.registry;
    const { id } = await uploads.start(pusher, 'sha256');
    expect(await refusalOf(uploads.append(id, pusher, brokenBody([], 7), undefined))).toBe('upload-interrupted');
    expect(await refusalOf(uploads.close(id, pusher, bigDigest, brokenBody([], 7), undefined))).toBe(
      'upload-interrupted',
    );
    expect(await refusalOf(uploads.close(id, pusher, bigDigest, brokenBody([], BIG), undefined))).toBe(
      'upload-interrupted',
    );
    expect(await offsetOf(open, id)).toBe(0);
    await uploads.close(id, pusher, bigDigest, bodyOf([big]), undefined);
  });

  test('in a single request leaves no session', async () => {
    const open = openRegistry();
    const broken = brokenBody([big.subarray(0, 100)], BIG);
    expect(await refusalOf(open.registry.uploads.monolithic(pusher, bigDigest, broken))).toBe('upload-interrupted');
    expect(open.sessions.count()).toBe(0);
  });
});

describe('a closing request that is repeated', () => {
  /** An upload that was linked, but killed before its session ended. */
  async function killedBeforeEnd(): Promise<OpenRegistry & { id: UploadId }> {
    const open = openRegistry();
    const { uploads } = open.registry;
    const { id } = await uploads.start(pusher, 'sha256');
    await uploads.append(id, pusher, bodyOf([big]), undefined);
    const remove = open.driver.delete.bind(open.driver);
    open.driver.delete = (keys) => (keys.includes(sessionKey(id)) ? Promise.reject(new Error('killed')) : remove(keys));
    expect(await uploads.close(id, pusher, bigDigest, NOTHING, undefined).catch(String)).toBe('Error: killed');
    open.driver.delete = remove;
    return { ...openRegistry({ driver: open.driver, clock: open.clock, number: 2 }), id };
  }

  test('after a kill succeeds, with or without a last chunk of unknown length', async () => {
    for (const body of [() => bodyOf([]), () => bodyOf([], 'unknown')]) {
      const { registry, id, ...open } = await killedBeforeEnd();
      await registry.uploads.close(id, pusher, bigDigest, body(), undefined);
      expect(Buffer.compare(await pulled({ registry, ...open }, bigDigest), big)).toBe(0);
      expect(await refusalOf(registry.uploads.status(id, pusher))).toBe('upload-unknown');
    }
  });

  test('after a kill cannot add bytes, because the bytes are a blob', async () => {
    const { registry, id } = await killedBeforeEnd();
    expect(await refusalOf(registry.uploads.append(id, pusher, bodyOf([text('x')]), undefined))).toBe('upload-unknown');
    expect((await registry.blobs.resolve(A, bigDigest)).size).toBe(BIG);
  });

  test('after a kill never deletes bytes that another log links by now', async () => {
    const open = await killedBeforeEnd();
    const { registry, id } = open;
    expect(await registry.linking.mount(B, bigDigest, A, CALLER)).toBe(true);
    await registry.blobs.delete(A, bigDigest, ACTOR);
    await registry.uploads.monolithic(pusher, bigDigest, bodyOf([big]));
    await registry.uploads.close(id, pusher, bigDigest, bodyOf([]), undefined);
    await open.settle();
    expect(Buffer.compare(await pulled(open, bigDigest, B), big)).toBe(0);
    expect(Buffer.compare(await pulled(open, bigDigest, A), big)).toBe(0);
  });

  test('after storage gave no answer is linked once', async () => {
    const open = openRegistry();
    const { uploads } = open.registry;
    const { id } = await uploads.start(pusher, 'sha256');
    await uploads.append(id, pusher, bodyOf([big]), undefined);
    const create = open.driver.create.bind(open.driver);
    open.driver.create = () => Promise.reject(new Error('no answer'));
    expect(await refusalOf(uploads.close(id, pusher, bigDigest, bodyOf([]), undefined))).toBe('unavailable');
    open.driver.create = create;
    await uploads.close(id, pusher, bigDigest, bodyOf([]), undefined);
    expect(await open.dataKeys()).toHaveLength(1);
    expect(Buffer.compare(await pulled(open, bigDigest), big)).toBe(0);
  });
});

describe('a store that fails', () => {
  test('keeps the bytes stored before, and the upload can continue', async () => {
    const open = openRegistry();
    const { uploads } = open.registry;
    const { id } = await uploads.start(pusher, 'sha256');
    await uploads.append(id, pusher, bodyOf([text('hello')]), undefined);
    const stage = open.driver.stage.bind(open.driver);
    open.driver.stage = async (place, from, algorithm, keep) => {
      const write = await stage(place, from, algorithm, keep);
      return { ...write, settle: async () => ({ ...(await write.settle()), failure: new Error('disk') }) };
    };
    expect(await uploads.append(id, pusher, bodyOf([text('abc')]), undefined).catch(String)).toBe('Error: disk');
    expect(await offsetOf(open, id)).toBe(8);
    open.driver.stage = async (place, from, algorithm, keep) => {
      const write = await stage(place, from, algorithm, keep);
      return { ...write, write: () => Promise.reject(new Error('disk')) };
    };
    expect(await uploads.append(id, pusher, bodyOf([text('abc')]), undefined).catch(String)).toBe('Error: disk');
    expect(await offsetOf(open, id)).toBe(8);
    open.driver.stage = stage;
    await uploads.close(id, pusher, digestOf('sha256', text('helloabc')), bodyOf([]), undefined);
  });
});

test('every staged write is released once, whatever happens', async () => {
  const open = openRegistry();
  const { uploads } = open.registry;
  const held: string[] = [];
  const stage = open.driver.stage.bind(open.driver);
  let fault: 'none' | 'write' | 'settle' = 'none';
  open.driver.stage = async (place, from, algorithm, keep) => {
    const write = await stage(place, from, algorithm, keep);
    const index = held.push('held') - 1;
    const letGo = (how: string): void => {
      held[index] = held[index] === 'held' ? how : 'twice';
    };
    return {
      write: (chunk) => (fault === 'write' ? Promise.reject(new Error('disk')) : write.write(chunk)),
      settle: () => (fault === 'settle' ? Promise.reject(new Error('disk')) : write.settle()),
      release: async () => letGo('released'),
      drop: async () => {
        letGo('dropped');
        await write.drop();
      },
    };
  };
  const { id } = await uploads.start(pusher, 'sha256');
  const send = (body: UploadBody) => uploads.append(id, pusher, body, undefined).catch(String);
  await send(bodyOf([text('a')]));
  await send(bodyOf([text('a')], 2));
  await send(brokenBody([text('a')], 2));
  for (fault of ['write', 'settle'] as const) await send(bodyOf([text('a')]));
  fault = 'none';
  await uploads.close(id, pusher, bigDigest, bodyOf([text('a')]), undefined).catch(String);
  expect(held).toEqual(['released', 'dropped', 'released', 'dropped', 'dropped', 'released']);
});
