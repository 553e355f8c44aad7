import { describe, expect, test } from 'bun:test';
import {
  A,
  ACTOR,
  B,
  C,
  CALLER,
  GRACE,
  HOUR,
  type OpenRegistry,
  openRegistry,
  refusalOf,
  text,
} from '../../test/support/registry.ts';
import { type AccessPolicy, ANONYMOUS_CALLER, type Caller, openAccess } from '../access/access.ts';
import { readSlot } from '../journal/log.ts';
import { digestOf } from '../oci/digest.ts';
import type { Digest, Incarnation, RepositoryName } from '../oci/names.ts';
import { dataKey, hintKey } from '../storage/paths.ts';
import { EXCLUSIVE } from './exclusivity.ts';
import { type Hint, readHint, writeHint } from './hints.ts';
import type { UploadedBytes } from './linking.ts';

const bytes = text('the bytes of a blob');
const digest = digestOf('sha256', bytes);
const size = bytes.length;

/** Bytes as an upload leaves them: stored and verified, not linked yet. */
async function stored({ driver, newIncarnation }: OpenRegistry): Promise<UploadedBytes> {
  const inc = newIncarnation();
  await driver.put(dataKey(inc), bytes);
  return { digest, size, inc, exclusivity: EXCLUSIVE };
}

async function upload(open: OpenRegistry, repo = A): Promise<Incarnation> {
  const own = await stored(open);
  await open.registry.linking.linkUploaded(repo, own, CALLER);
  return own.inc;
}

async function unlink({ registry }: OpenRegistry, repo = A): Promise<void> {
  await registry.blobs.delete(repo, digest, ACTOR);
}

describe('linking uploaded bytes', () => {
  test('makes them a blob, and writes a hint', async () => {
    const open = openRegistry();
    const inc = await upload(open);
    expect(await open.linkOf(A, digest)).toBe(inc);
    expect(await readHint(open.driver, digest)).toEqual({ inc, size, repo: A });
    expect(await open.settle()).toEqual([]);
  });

  test('that the repository already has deletes the new ones, after the answer', async () => {
    const open = openRegistry();
    const first = await upload(open);
    const second = await upload(open);
    expect(await open.linkOf(A, digest)).toBe(first);
    expect(await open.dataKeys()).toContain(dataKey(second));
    expect(await open.settle()).toHaveLength(1);
    expect(await open.dataKeys()).toEqual([dataKey(first)]);
  });

  test('that the repository already has keeps the new ones if another holder of the upload may link them', async () => {
    for (const ended of [true, false]) {
      const open = openRegistry();
      await upload(open);
      const own = await stored(open);
      await open.registry.linking.linkUploaded(
        A,
        { ...own, exclusivity: { kind: 'exclusive-if-ended', ended: Promise.resolve(ended) } },
        CALLER,
      );
      await open.settle();
      expect((await open.dataKeys()).includes(dataKey(own.inc))).toBe(!ended);
    }
  });

  test('that another repository has links the existing ones and deletes the new ones', async () => {
    const open = openRegistry();
    const first = await upload(open, A);
    await upload(open, B);
    expect(await open.linkOf(B, digest)).toBe(first);
    await open.settle();
    expect(await open.dataKeys()).toEqual([dataKey(first)]);
  });

  test('that only a repository has from which the caller may not pull are stored again, and that repository is not read', async () => {
    const open = openRegistry({ access: { ...openAccess, mayPullUnnamed: (_, repo) => repo !== A } });
    const first = await upload(open, A);
    const looks: RepositoryName[] = [];
    const { projection } = open;
    const look = projection.blob.bind(projection);
    projection.blob = (repo, wanted) => {
      looks.push(repo);
      return look(repo, wanted);
    };
    const second = await upload(open, B);
    expect(second).not.toBe(first);
    expect(looks).not.toContain(A);
    await open.settle();
    expect(await open.dataKeys()).toEqual([dataKey(first), dataKey(second)]);
  });

  test('of another repository name it in the log only if every client may pull from it', async () => {
    for (const isPublic of [true, false]) {
      const access = { ...openAccess, mayPullUnnamed: (caller: Caller) => isPublic || caller !== ANONYMOUS_CALLER };
      const open = openRegistry({ access });
      await upload(open, A);
      await upload(open, B);
      expect(await open.registry.linking.mount(C, digest, A, CALLER)).toBe(true);
      const slots = await Promise.all([B, C].map((repo) => readSlot(open.driver, repo, 1)));
      const events = slots.flatMap((slot) => slot?.batch.events ?? []);
      expect(events.map((event) => event.type === 'blob.linked' && event.from)).toEqual(
        isPublic ? [A, A] : [undefined, undefined],
      );
    }
  });

  test('of the same blob concurrently ends with one link, and every client succeeds', async () => {
    const open = openRegistry();
    await Promise.all(Array.from({ length: 20 }, (_, index) => upload(open, index % 2 === 0 ? A : B)));
    await open.settle();
    const links = [await open.linkOf(A, digest), await open.linkOf(B, digest)];
    const kept = await open.dataKeys();
    for (const inc of links) expect(kept).toContain(dataKey(inc ?? expect.unreachable()));
    expect(kept.length).toBe(new Set(links).size);
  });

  test('links the new ones if the linked bytes are missing or have another length', async () => {
    for (const damage of ['lost', 'cut']) {
      const open = openRegistry();
      const first = await upload(open);
      if (damage === 'lost') await open.driver.delete([dataKey(first)]);
      else await open.driver.put(dataKey(first), text('cut'));
      const second = await upload(open);
      expect(await open.linkOf(A, digest)).toBe(second);
      expect((await readHint(open.driver, digest))?.inc).toBe(second);
      await open.settle();
      expect(await open.dataKeys()).toContain(dataKey(second));
    }
  });

  test.each<[string, (open: OpenRegistry, inc: Incarnation) => Promise<unknown>]>([
    ['is missing', ({ driver }) => driver.delete([hintKey(digest)])],
    ['is torn', ({ driver }) => driver.put(hintKey(digest), text('{"inc"'))],
    ['names another length', ({ driver }, inc) => writeHint(driver, digest, { inc, size: 1, repo: A })],
    ['names a repository that does not exist', ({ driver }, inc) => writeHint(driver, digest, { inc, size, repo: C })],
    [
      'names bytes that no log links',
      async (open) => writeHint(open.driver, digest, { ...(await stored(open)), repo: A }),
    ],
    ['names bytes that are gone', ({ driver }, inc) => driver.delete([dataKey(inc)])],
    ['names bytes of another length', ({ driver }, inc) => driver.put(dataKey(inc), text('cut'))],
    ['names a link that is gone', (open) => unlink(open)],
  ])('if the hint %s, links the uploaded bytes and corrects the hint', async (_, spoil) => {
    const open = openRegistry();
    await spoil(open, await upload(open, A));
    const own = await upload(open, B);
    expect(await open.linkOf(B, digest)).toBe(own);
    expect(await readHint(open.driver, digest)).toEqual({ inc: own, size, repo: B });
    await open.settle();
    expect(await open.dataKeys()).toContain(dataKey(own));
  });

  test('does not rewrite a correct hint', async () => {
    const open = openRegistry();
    const inc = await upload(open, A);
    await upload(open, B);
    const hint: Hint = { inc, size, repo: A };
    expect(await readHint(open.driver, digest)).toEqual(hint);
  });
});

describe("uploads and the linker's rule", () => {
  test('old bytes that a collection round has condemned are not shared, and the request links its own', async () => {
    const open = openRegistry();
    const old = await upload(open, A);
    open.clock.advance(GRACE / 2 + 1);
    await open.condemn(old);
    const own = await upload(open, B);
    expect(await open.linkOf(B, digest)).toBe(own);
    await open.settle();
    expect(await open.dataKeys()).toEqual([dataKey(old), dataKey(own)]);
  });

  test('old bytes that no round has condemned are shared', async () => {
    const open = openRegistry();
    const old = await upload(open, A);
    open.clock.advance(10 * GRACE);
    await open.condemn(open.newIncarnation());
    await upload(open, B);
    expect(await open.linkOf(B, digest)).toBe(old);
  });

  test('young bytes are shared even if a round lists them, because no round can have found them yet', async () => {
    const open = openRegistry();
    const young = await upload(open, A);
    open.clock.advance(GRACE / 2);
    await open.condemn(young);
    await upload(open, B);
    expect(await open.linkOf(B, digest)).toBe(young);
  });

  test('its own bytes, if old and condemned by now, are refused, and the client must start again', async () => {
    const open = openRegistry();
    const own = await stored(open);
    open.clock.advance(GRACE / 2 + 1);
    const list = await open.condemn(own.inc);
    expect(await refusalOf(open.registry.linking.linkUploaded(A, own, CALLER))).toBe('upload-unknown');
    expect(await open.linkOf(A, digest)).toBeUndefined();
    await open.driver.delete([list]);
    expect(await refusalOf(open.registry.linking.linkUploaded(A, own, CALLER))).toBe('none');
  });

  test('bytes of a single request that are old and condemned by now are refused with advice to try again', async () => {
    const open = openRegistry();
    const write = open.driver.write.bind(open.driver);
    open.driver.write = async (key, written) => {
      const done = await write(key, written);
      open.clock.advance(GRACE / 2 + 1);
      await open.condemn(key.slice(-26) as Incarnation);
      return done;
    };
    expect(await refusalOf(open.push(A, bytes))).toBe('unavailable');
    open.driver.write = write;
    expect(await open.push(A, bytes)).toBe(digest);
  });

  test('its own bytes, if old and deleted by now, are refused', async () => {
    const open = openRegistry();
    const own = await stored(open);
    open.clock.advance(GRACE);
    await open.driver.delete([dataKey(own.inc)]);
    expect(await refusalOf(open.registry.linking.linkUploaded(A, own, CALLER))).toBe('upload-unknown');
  });

  test('is checked again if another writer took the slot, because a round may have begun meanwhile', async () => {
    const open = openRegistry();
    const old = await upload(open, A);
    open.clock.advance(GRACE / 2 + 1);
    // Another node on the same store takes the slot just when this one has decided, and a round begins.
    const rival = openRegistry({ driver: open.driver, clock: open.clock, number: 2 });
    const create = open.driver.create.bind(open.driver);
    let raced = false;
    open.driver.create = async (key, value) => {
      if (!raced && key.startsWith(`repos/${B}/`)) {
        raced = true;
        await rival.push(B, text('something else'));
        await open.condemn(old);
      }
      return create(key, value);
    };
    const own = await upload(open, B);
    expect(raced).toBe(true);
    expect(await open.linkOf(B, digest)).toBe(own);
  });
});

describe('a mount', () => {
  const mount = (open: OpenRegistry, from: typeof A | undefined, to = B): Promise<boolean> =>
    open.registry.linking.mount(to, digest, from, CALLER);

  test('links the bytes of the source without an upload', async () => {
    const open = openRegistry();
    const inc = await upload(open, A);
    expect(await mount(open, A)).toBe(true);
    expect(await open.linkOf(B, digest)).toBe(inc);
    expect(await open.dataKeys()).toEqual([dataKey(inc)]);
  });

  test('without a source finds one with the hint', async () => {
    const open = openRegistry();
    const inc = await upload(open, A);
    expect(await mount(open, undefined)).toBe(true);
    expect(await open.linkOf(B, digest)).toBe(inc);
  });

  test('of a blob that the repository already has, or from the repository itself, succeeds', async () => {
    const open = openRegistry();
    const inc = await upload(open, A);
    expect([await mount(open, A), await mount(open, A), await mount(open, A, A)]).toEqual([true, true, true]);
    expect(await open.linkOf(B, digest)).toBe(inc);
  });

  test.each<[string, (open: OpenRegistry, inc: Incarnation) => Promise<unknown>]>([
    ['does not have the blob, whatever the hint says', (open) => unlink(open)],
    ['lost the bytes', ({ driver }, inc) => driver.delete([dataKey(inc)])],
    ['has bytes of another length', ({ driver }, inc) => driver.put(dataKey(inc), text('cut'))],
  ])('from a source that %s means uploading', async (_, spoil) => {
    const open = openRegistry();
    await spoil(open, await upload(open, A));
    expect([await mount(open, A), await mount(open, undefined)]).toEqual([false, false]);
    expect(await open.linkOf(B, digest)).toBeUndefined();
  });

  test('from a repository that does not exist, or without source and hint, means uploading', async () => {
    const open = openRegistry();
    expect([await mount(open, C), await mount(open, undefined)]).toEqual([false, false]);
    expect((await open.projection.repositories(undefined, 10)).items).toEqual([]);
  });

  test('of old bytes that a collection round has condemned means uploading', async () => {
    const open = openRegistry();
    const inc = await upload(open, A);
    open.clock.advance(GRACE / 2 + 1);
    const list = await open.condemn(inc);
    expect(await mount(open, A)).toBe(false);
    await open.driver.delete([list]);
    expect(await mount(open, A)).toBe(true);
  });

  test('links the bytes of the source if the linked bytes are missing', async () => {
    const open = openRegistry();
    const first = await upload(open, A);
    await mount(open, A);
    await open.driver.delete([dataKey(first)]);
    const second = await upload(open, A);
    expect(await mount(open, A)).toBe(true);
    expect(await open.linkOf(B, digest)).toBe(second);
  });

  test('without a source reads no repository that the caller may not pull from', async () => {
    const asked: string[] = [];
    const access: AccessPolicy = {
      ...openAccess,
      allows: (_, action, repo) => {
        asked.push(`${action} ${repo}`);
        return repo !== A;
      },
    };
    const open = openRegistry({ access });
    await upload(open, A);
    const blob = open.projection.blob.bind(open.projection);
    const looked: string[] = [];
    open.projection.blob = (repo: typeof A, each: Digest) => {
      looked.push(repo);
      return blob(repo, each);
    };
    expect(await mount(open, undefined)).toBe(false);
    expect([asked, looked]).toEqual([[`pull ${A}`], []]);
  });

  test('records in the log where the blob came from', async () => {
    const open = openRegistry();
    await upload(open, A);
    open.clock.advance(HOUR);
    await mount(open, A);
    const slot = await open.driver.read(`repos/${B}/_log/00000000000000000001`);
    expect(JSON.parse(new TextDecoder().decode(slot)).events).toEqual([
      expect.objectContaining({ type: 'blob.linked', digest, size, from: A, actor: ACTOR.label }),
    ]);
  });
});
