import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { algorithms } from '../../test/support/generators.ts';
import {
  A,
  B,
  bodyOf,
  CALLER,
  EXPIRY,
  type OpenRegistry,
  OTHER_ACTOR,
  openRegistry,
  pulled,
  refusalOf,
  text,
} from '../../test/support/registry.ts';
import { digestOf } from '../oci/digest.ts';
import type { UploadId } from '../oci/names.ts';
import { uploadPrefix } from '../storage/paths.ts';

const pusher = { repo: A, caller: CALLER };
/** More than is buffered in memory. */
const big = new Uint8Array(300_000).fill(7);
const NOTHING = bodyOf([]);

async function leftOf({ driver }: OpenRegistry, id: UploadId): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of driver.list(uploadPrefix(id))) keys.push(key);
  return keys;
}

async function offsetOf({ registry }: OpenRegistry, id: UploadId): Promise<number> {
  return (await registry.uploads.status(id, pusher)).offset;
}

describe('an upload', () => {
  test('in one request, of any size, announced or not, becomes a blob with those bytes', async () => {
    for (const bytes of [text(''), text('small'), big]) {
      for (const length of [undefined, 'unknown'] as const) {
        for (const algorithm of ['sha256', 'sha512'] as const) {
          const open = openRegistry();
          const digest = digestOf(algorithm, bytes);
          await open.registry.uploads.monolithic(pusher, digest, bodyOf([bytes], length));
          expect(Buffer.compare(await pulled(open, digest), bytes)).toBe(0);
          expect(open.sessions.count()).toBe(0);
        }
      }
    }
  });

  test('in any chunks, with or without ranges, becomes their concatenation', async () => {
    const last = fc.record({ chunk: fc.uint8Array({ maxLength: 40 }), announced: fc.boolean(), placed: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(
        fc.array(last, { maxLength: 6 }),
        last,
        algorithms,
        algorithms,
        async (chunks, closing, one, two) => {
          const open = openRegistry();
          const { id } = await open.registry.uploads.start(pusher, one);
          let sent = 0;
          const place = ({ chunk, placed }: typeof closing) => {
            const range = placed && chunk.length > 0 ? { start: sent, end: sent + chunk.length - 1 } : undefined;
            sent += chunk.length;
            return range;
          };
          const body = ({ chunk, announced }: typeof closing) => bodyOf([chunk], announced ? undefined : 'unknown');
          for (const each of chunks) {
            const { offset } = await open.registry.uploads.append(id, pusher, body(each), place(each));
            expect(offset).toBe(sent);
          }
          const bytes = Buffer.concat([...chunks, closing].map(({ chunk }) => chunk));
          // The client may close with another algorithm than it began with.
          const digest = digestOf(two, bytes);
          await open.registry.uploads.close(id, pusher, digest, body(closing), place(closing));
          expect(Buffer.from(await pulled(open, digest))).toEqual(bytes);
          expect(await refusalOf(open.registry.uploads.status(id, pusher))).toBe('upload-unknown');
          expect(await leftOf(open, id)).toEqual([]);
        },
      ),
    );
  });

  test('continues after a restart where the last acknowledged chunk ended', async () => {
    const open = openRegistry();
    const { id } = await open.registry.uploads.start(pusher, 'sha256');
    await open.registry.uploads.append(id, pusher, bodyOf([text('one, ')]), undefined);
    const later = openRegistry({ driver: open.driver, number: 2 });
    expect(await offsetOf(later, id)).toBe(5);
    await later.registry.uploads.append(id, pusher, bodyOf([text('two')]), { start: 5, end: 7 });
    const digest = digestOf('sha256', text('one, two'));
    await openRegistry({ driver: open.driver, number: 3 }).registry.uploads.close(
      id,
      pusher,
      digest,
      NOTHING,
      undefined,
    );
    expect(await pulled(openRegistry({ driver: open.driver }), digest)).toEqual(text('one, two'));
  });

  test('belongs to its repository and its actor', async () => {
    const open = openRegistry();
    const { id } = await open.registry.uploads.start(pusher, 'sha256');
    await open.registry.uploads.append(id, pusher, bodyOf([text('x')]), undefined);
    const digest = digestOf('sha256', text('x'));
    for (const stranger of [
      { ...pusher, caller: { ...CALLER, actor: OTHER_ACTOR } },
      { ...pusher, repo: B },
    ]) {
      const { uploads } = open.registry;
      expect(await refusalOf(uploads.status(id, stranger))).toBe('upload-unknown');
      expect(await refusalOf(uploads.append(id, stranger, bodyOf([text('y')]), undefined))).toBe('upload-unknown');
      expect(await refusalOf(uploads.close(id, stranger, digest, NOTHING, undefined))).toBe('upload-unknown');
      expect(await refusalOf(uploads.cancel(id, stranger))).toBe('upload-unknown');
    }
    await open.registry.uploads.close(id, pusher, digest, NOTHING, undefined);
  });

  test('that is cancelled becomes unknown, and its bytes are deleted', async () => {
    const open = openRegistry();
    const { id } = await open.registry.uploads.start(pusher, 'sha256');
    await open.registry.uploads.append(id, pusher, bodyOf([text('x')]), undefined);
    await open.registry.uploads.cancel(id, pusher);
    expect(await refusalOf(open.registry.uploads.status(id, pusher))).toBe('upload-unknown');
    expect(await refusalOf(open.registry.uploads.cancel(id, pusher))).toBe('upload-unknown');
    expect(await leftOf(open, id)).toEqual([]);
  });

  test('that has expired is unknown even before the job runs, and deleted after it', async () => {
    const open = openRegistry();
    const old = (await open.registry.uploads.start(pusher, 'sha256')).id;
    await open.registry.uploads.append(old, pusher, bodyOf([text('x')]), undefined);
    open.clock.advance(EXPIRY + 1);
    const young = (await open.registry.uploads.start(pusher, 'sha256')).id;
    await open.registry.uploads.append(young, pusher, bodyOf([text('x')]), undefined);
    expect(await refusalOf(open.registry.uploads.append(old, pusher, bodyOf([text('y')]), undefined))).toBe(
      'upload-unknown',
    );
    expect(await leftOf(open, old)).not.toEqual([]);
    await open.sessions.expire(open.clock.now() - EXPIRY, new AbortController().signal);
    expect(await leftOf(open, old)).toEqual([]);
    expect(await offsetOf(open, young)).toBe(1);
  });

  test('that two requests write to concurrently is leased to one of them', async () => {
    const open = openRegistry();
    const { id } = await open.registry.uploads.start(pusher, 'sha256');
    const attempts = ['a', 'b', 'c'].map((each) =>
      refusalOf(open.registry.uploads.append(id, pusher, bodyOf([text(each.repeat(100))]), undefined)),
    );
    expect((await Promise.all(attempts)).sort()).toEqual(['none', 'upload-busy', 'upload-busy']);
    const digest = digestOf('sha256', text('a'.repeat(100)));
    await open.registry.uploads.close(id, pusher, digest, NOTHING, undefined);
  });
});
