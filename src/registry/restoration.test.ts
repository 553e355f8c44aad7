import { describe, expect, test } from 'bun:test';
import { A, ACTOR, B, C, GRACE, type OpenRegistry, openRegistry, tag, text } from '../../test/support/registry.ts';
import { foldLog } from '../journal/log.ts';
import { digestOf } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, Incarnation } from '../oci/names.ts';
import { dataKey } from '../storage/paths.ts';
import { type Restoration, restorationSchema, restore, type WantedManifest } from './restoration.ts';

const TYPE = 'application/vnd.oci.image.manifest.v1+json';
const V1 = tag('v1');
const OPERATOR = 'operator';
const layer = text('the only layer');
const blob = digestOf('sha256', layer);
const config = { mediaType: 'application/octet-stream', digest: blob, size: layer.length };
const bytes = text(JSON.stringify({ schemaVersion: 2, mediaType: TYPE, config, layers: [] }));
const manifest = digestOf('sha256', bytes);

interface Deleted extends OpenRegistry {
  readonly blobInc: Incarnation;
  readonly manifestInc: Incarnation;
  readonly wanted: Restoration;
  readonly restored: (wanted?: Restoration) => ReturnType<typeof restore>;
}

/** An image that was deleted with its blob, so long ago that only the linker's rule tells whether its bytes may be linked. */
async function deleted(): Promise<Deleted> {
  const open = openRegistry();
  const { registry, projection, driver, clock } = open;
  await open.push(A, layer);
  await registry.manifests.put(A, { bytes, contentType: TYPE, digest: undefined, tags: [V1] }, ACTOR);
  const { record } = await registry.manifests.resolve(A, { kind: 'tag', tag: V1 });
  const blobInc = (await open.linkOf(A, blob)) ?? expect.unreachable();
  await registry.manifests.delete(A, manifest, ACTOR);
  await registry.blobs.delete(A, blob, ACTOR);
  clock.advance(GRACE / 2 + 1);
  const { inc: manifestInc, at: _, annotations: __, refs, ...rest } = record;
  const wanted: Restoration = {
    blobs: [{ digest: blob, size: layer.length, incs: [blobInc] }],
    manifests: [{ digest: manifest, ...rest, refs: [...refs], incs: [manifestInc] }],
    tags: [{ tag: V1, digest: manifest }],
  };
  return {
    ...{ ...open, blobInc, manifestInc, wanted },
    restored: (other = wanted) => restore(A, other, OPERATOR, { projection, driver }),
  };
}

async function slots({ driver }: OpenRegistry, repo = A): Promise<number> {
  return (await foldLog(driver, repo)).state.seq;
}

async function problemOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof RegistryError) return `${error.kind}: ${error.message}`;
  throw error ?? new Error('nothing was refused');
}

describe('restored content', () => {
  test('has its blobs and tags again in one slot, under their former names', async () => {
    const open = await deleted();
    const before = await slots(open);
    expect(await open.restored()).toEqual({
      blobs: [blob],
      manifests: [manifest],
      tags: [{ tag: V1, digest: manifest }],
    });
    expect(await slots(open)).toBe(before + 1);
    const { record } = await open.registry.manifests.resolve(A, { kind: 'tag', tag: V1 });
    expect([record.inc, await open.linkOf(A, blob)]).toEqual([open.manifestInc, open.blobInc]);
    const slot = await open.driver.read(`repos/${A}/_log/${String(before + 1).padStart(20, '0')}`);
    const { events } = JSON.parse(new TextDecoder().decode(slot));
    expect(events.map(({ type, actor }: { type: string; actor: string }) => [type, actor])).toEqual([
      ['blob.linked', OPERATOR],
      ['manifest.put', OPERATOR],
      ['tag.set', OPERATOR],
    ]);
  });

  test('is empty if everything exists: no slot is written, and a repeated request succeeds', async () => {
    const open = await deleted();
    await open.restored();
    const before = await slots(open);
    expect(await open.restored()).toEqual({ blobs: [], manifests: [], tags: [] });
    expect(await slots(open)).toBe(before);
  });

  test('can be in a repository that was deleted', async () => {
    const open = await deleted();
    await open.projection.submit(A, {
      decide: () => ({ kind: 'accepted', result: undefined, events: [{ type: 'repo.deleted' }] }),
    });
    await open.restored();
    expect((await open.registry.manifests.resolve(A, { kind: 'tag', tag: V1 })).digest).toBe(manifest);
  });

  test('uses the first incarnation that can be linked', async () => {
    const open = await deleted();
    const never = open.newIncarnation();
    const [first] = open.wanted.blobs;
    if (first === undefined) return expect.unreachable();
    await open.restored({ ...open.wanted, blobs: [{ ...first, incs: [never, open.blobInc] }] });
    expect(await open.linkOf(A, blob)).toBe(open.blobInc);
  });

  test('is requested in JSON that is validated like any input', async () => {
    const { wanted } = await deleted();
    expect(restorationSchema.parse(JSON.parse(JSON.stringify(wanted)))).toEqual(wanted);
    const [only] = wanted.blobs;
    for (const wrong of [
      { ...wanted, blobs: [{ ...only, incs: [] }] },
      { ...wanted, blobs: [{ ...only, incs: ['../../etc'] }] },
      { ...wanted, tags: [{ tag: '-', digest: manifest }] },
      { ...wanted, manifests: [{ ...wanted.manifests[0], digest: 'sha256:1' }] },
    ])
      expect(restorationSchema.safeParse(wrong).success).toBe(false);
  });
});

describe('nothing is restored', () => {
  test.each<[string, (open: Deleted) => Promise<unknown>, RegExp]>([
    [
      'whose blob was freed',
      ({ driver, blobInc }) => driver.delete([dataKey(blobInc)]),
      new RegExp(`: blob ${blob}; `),
    ],
    [
      'whose manifest was freed',
      ({ driver, manifestInc }) => driver.delete([dataKey(manifestInc)]),
      new RegExp(`: manifest ${manifest}; `),
    ],
    ['whose blob has another length', ({ driver, blobInc }) => driver.put(dataKey(blobInc), text('cut')), /: blob /],
    [
      'whose blob a collection round has condemned',
      (open) => open.condemn(open.blobInc),
      /freed, or are being freed now: blob /,
    ],
    [
      'whose tag was set meanwhile',
      async ({ registry }) => {
        const other = text(JSON.stringify({ schemaVersion: 2, manifests: [] }));
        const put = { bytes: other, contentType: undefined, digest: undefined, tags: [V1] };
        await registry.manifests.put(A, put, ACTOR);
      },
      /^request-invalid: the tag v1 was changed just now/,
    ],
  ])('%s', async (_, spoil, message) => {
    const open = await deleted();
    await spoil(open);
    const before = await slots(open);
    expect(await problemOf(open.restored())).toMatch(message);
    expect(await slots(open)).toBe(before);
    expect(await open.linkOf(A, blob)).toBeUndefined();
  });

  test('says how many more blobs are gone', async () => {
    const open = await deleted();
    const blobs = Array.from({ length: 5 }, (__, number) => {
      const digest = digestOf('sha256', text(`${number}`));
      return { digest, size: 1, incs: [open.newIncarnation()] };
    });
    expect(await problemOf(open.restored({ ...open.wanted, blobs }))).toMatch(
      /: blob \S+, blob \S+, blob \S+, and 2 more;/,
    );
  });
});

describe('races with a collection', () => {
  /** Another node takes the slot just after this one has decided. */
  async function raced(open: Deleted, meanwhile: () => Promise<unknown>): Promise<() => boolean> {
    const rival = openRegistry({ driver: open.driver, clock: open.clock, number: 2 });
    const create = open.driver.create.bind(open.driver);
    let done = false;
    open.driver.create = async (key, value, named) => {
      if (!done && key.startsWith(`repos/${A}/`)) {
        done = true;
        await meanwhile();
        const epoch = open.newIncarnation();
        await rival.projection.submit(A, {
          decide: () => ({ kind: 'accepted', result: undefined, events: [{ type: 'gc.fence', epoch }] }),
        });
      }
      return await create(key, value, named);
    };
    return () => done;
  }

  test('a fence that was folded since then causes a new decision: content condemned meanwhile is refused as a whole', async () => {
    const open = await deleted();
    const before = await slots(open);
    const done = await raced(open, () => open.condemn(open.manifestInc));
    expect(await problemOf(open.restored())).toMatch(/being freed now: manifest /);
    expect(done()).toBe(true);
    const { state } = await foldLog(open.driver, A);
    expect([state.seq, state.blob(blob), state.manifest(manifest), state.tag(V1)]).toEqual([
      before + 1,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('a fence of a round that has not condemned it only costs a second check', async () => {
    const open = await deleted();
    const done = await raced(open, () => open.condemn(open.newIncarnation()));
    await open.restored();
    expect(done()).toBe(true);
    expect((await foldLog(open.driver, A)).state.tag(V1)).toBe(manifest);
  });

  test('reads the lists before it checks the bytes, also for young incarnations', async () => {
    const open = await deleted();
    const order: string[] = [];
    const { driver } = open;
    const [list, head] = [driver.list.bind(driver), driver.head.bind(driver)];
    driver.list = (prefix, after) => {
      order.push(`list ${prefix}`);
      return list(prefix, after);
    };
    driver.head = (key) => {
      order.push(`head ${key}`);
      return head(key);
    };
    await open.restored();
    expect(order).toEqual(['list gc/', `head ${dataKey(open.blobInc)}`, `head ${dataKey(open.manifestInc)}`]);
  });
});

describe('damaged content', () => {
  /** A blob and a manifest in A, whose bytes are missing, and the same in B. */
  async function damaged() {
    const open = openRegistry();
    for (const repo of [A, B]) {
      await open.push(repo, layer);
      await open.registry.manifests.put(repo, { bytes, contentType: TYPE, digest: undefined, tags: [V1] }, ACTOR);
    }
    const recordIn = async (repo: typeof A) =>
      (await open.registry.manifests.resolve(repo, { kind: 'tag', tag: V1 })).record;
    const [lost, found] = [await recordIn(A), await recordIn(B)];
    const wanted = (instead: Incarnation): Restoration => {
      const { inc: _, at: __, annotations: ___, refs, ...rest } = lost;
      const put: WantedManifest = { digest: manifest, ...rest, refs: [...refs], incs: [found.inc], instead };
      return { blobs: [], manifests: [put], tags: [] };
    };
    const repair = (instead: Incarnation) =>
      restore(A, wanted(instead), OPERATOR, { projection: open.projection, driver: open.driver });
    return { ...open, lost, found, repair };
  }

  test('is linked to other bytes, and its tags stay', async () => {
    const { repair, lost, found, registry } = await damaged();
    expect(await repair(lost.inc)).toEqual({ blobs: [], manifests: [manifest], tags: [] });
    const { record } = await registry.manifests.resolve(A, { kind: 'tag', tag: V1 });
    expect(record.inc).toBe(found.inc);
  });

  test('is left alone if it was linked again or deleted meanwhile', async () => {
    const { repair, lost, newIncarnation, registry, linkOf } = await damaged();
    const nothing = { blobs: [], manifests: [], tags: [] };
    expect(await repair(newIncarnation())).toEqual(nothing);
    await registry.manifests.delete(A, manifest, ACTOR);
    expect(await repair(lost.inc)).toEqual(nothing);
    expect(await linkOf(A, blob)).toBeDefined();
  });

  test('of one repository does not touch another', async () => {
    const open = await damaged();
    const digest: Digest = blob;
    const inc = (await open.linkOf(B, digest)) ?? expect.unreachable();
    const wanted = { blobs: [{ digest, size: layer.length, incs: [inc], from: B }], manifests: [], tags: [] };
    await restore(C, wanted, OPERATOR, { projection: open.projection, driver: open.driver });
    expect([await open.linkOf(B, digest), await open.linkOf(C, digest)]).toEqual([inc, inc]);
  });
});
