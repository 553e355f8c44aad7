import { describe, expect, test } from 'bun:test';
import { collectionPorts, collectNow, never } from '../../test/support/collection.ts';
import {
  A,
  ACTOR,
  B,
  C,
  CALLER,
  EXPIRY,
  GRACE,
  HOUR,
  openRegistry,
  refusalOf,
  text,
} from '../../test/support/registry.ts';
import { foldLog } from '../journal/log.ts';
import { digestOf } from '../oci/digest.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import { decodeList, encodeList } from '../registry/condemned.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { condemnedKey, dataKey, finalKey, markerKey, slotKey } from '../storage/paths.ts';
import { collect } from './collect.ts';
import { finishEpoch, openEpoch, openEpochs } from './epoch.ts';

type Opened = ReturnType<typeof openRegistry>;

/** A manifest that refers to these blobs. */
async function pushManifest(open: Opened, repo: RepositoryName, ...blobs: readonly Digest[]): Promise<Digest> {
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const descriptor = (digest: Digest) => ({ mediaType: 'application/octet-stream', digest, size: 1 });
  const [config, ...layers] = blobs.map(descriptor);
  const bytes = text(JSON.stringify({ schemaVersion: 2, mediaType: type, config, layers }));
  const { digest } = await open.registry.manifests.put(
    repo,
    { bytes, contentType: type, digest: undefined, tags: [] },
    ACTOR,
  );
  return digest;
}

async function incOf(open: Opened, repo: RepositoryName, digest: Digest) {
  return (await open.linkOf(repo, digest)) ?? expect.unreachable();
}

async function keysBelow(open: Opened, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of open.driver.list(prefix)) keys.push(key);
  return keys;
}

describe('a collection', () => {
  test('frees objects unlinked for longer than the grace, and leaves no epoch open', async () => {
    const open = openRegistry();
    const [kept, gone] = [await open.push(A, text('kept')), await open.push(A, text('gone'))];
    const keptInc = await incOf(open, A, kept);
    await pushManifest(open, A, kept);
    await open.registry.blobs.delete(A, gone, ACTOR);
    open.clock.advance(GRACE);
    expect((await collectNow(open)).freed.objects).toBe(0);
    expect(await keysBelow(open, 'gc/')).toEqual([]);
    open.clock.advance(1);
    const report = await collectNow(open);
    expect(report).toMatchObject({
      repositories: 1,
      examined: { objects: 3 },
      kept: { objects: 2 },
      condemned: 1,
      spared: 0,
      epochs: 1,
      freed: { objects: 1, bytes: 4 },
      waiting: { objects: 0 },
      oldestGarbageSeconds: 0,
    });
    expect(await open.dataKeys()).toHaveLength(2);
    expect(await open.dataKeys()).toContain(dataKey(keptInc));
    expect((await keysBelow(open, 'gc/')).map((key) => key.split('/').at(-1))).toEqual(['final']);
    // The fence is in the log, and said what to forget.
    expect((await foldLog(open.driver, A)).state.tombstones.size).toBe(0);
  });

  test('frees the bytes of a manifest that was deleted, and of the blobs that only it referred to', async () => {
    const open = openRegistry();
    const blob = await open.push(A, text('a layer'));
    const manifest = await pushManifest(open, A, blob);
    await open.registry.manifests.delete(A, manifest, ACTOR);
    open.clock.advance(GRACE + 1);
    const first = await collectNow(open);
    expect([first.freed.objects, first.unlinked]).toEqual([1, 1]);
    expect(await refusalOf(Promise.try(() => open.registry.blobs.resolve(A, blob)))).toBe('none');
    // The registry of another process looks again.
    const other = openRegistry({ driver: open.driver, clock: open.clock, number: 9 });
    expect(await refusalOf(Promise.try(() => other.registry.blobs.resolve(A, blob)))).toBe('blob-unknown');
    open.clock.advance(GRACE + 1);
    expect((await collectNow(open)).freed.objects).toBe(1);
    expect(await open.dataKeys()).toEqual([]);
  });

  test('keeps objects that another repository links, however long ago they were unlinked here', async () => {
    const open = openRegistry();
    const digest = await open.push(A, text('shared'));
    await pushManifest(open, A, digest);
    expect(await open.registry.linking.mount(B, digest, A, CALLER)).toBe(true);
    await pushManifest(open, B, digest);
    await open.projection.submit(A, {
      decide: () => ({ kind: 'accepted', events: [{ type: 'repo.deleted' }], result: 0 }),
    });
    open.clock.advance(10 * GRACE);
    expect((await collectNow(open)).freed.objects).toBe(1);
    expect(await open.dataKeys()).toContain(dataKey(await incOf(open, B, digest)));
  });

  test('frees objects that were never linked after twice UPLOAD_EXPIRY, not before', async () => {
    const open = openRegistry();
    await open.push(A, text('something'));
    await pushManifest(open, A, digestOf('sha256', text('something')));
    const orphan = open.newIncarnation();
    await open.driver.put(dataKey(orphan), text('orphan'));
    open.clock.advance(2 * EXPIRY);
    expect((await collectNow(open)).freed.objects).toBe(0);
    open.clock.advance(1);
    expect((await collectNow(open)).freed).toEqual({ objects: 1, bytes: 6 });
  });

  test('spares objects linked between the scan and the fence, even if unlinked again', async () => {
    for (const unlinked of [false, true]) {
      const open = openRegistry();
      const digest = await open.push(A, text('x'));
      const inc = await incOf(open, A, digest);
      await open.registry.blobs.delete(A, digest, ACTOR);
      open.clock.advance(GRACE + 1);
      const ports = collectionPorts(open);
      // The link's decision was made before there was a list; its slot comes before the fence.
      const list = ports.driver.list.bind(ports.driver);
      let raced = false;
      ports.driver.list = async function* (prefix, after) {
        if (prefix === 'catalog/' && (await keysBelow(open, 'gc/')).length > 0 && !raced) {
          raced = true;
          const link = { type: 'blob.linked' as const, digest, size: 1, inc };
          await open.projection.submit(A, { decide: () => ({ kind: 'accepted', events: [link], result: 0 }) });
          if (unlinked) await open.registry.blobs.delete(A, digest, ACTOR);
        }
        yield* list(prefix, after);
      };
      const report = await collect(ports, never, { thorough: true });
      expect([raced, report.condemned, report.spared, report.freed.objects]).toEqual([true, 1, 1, 0]);
      expect(await open.dataKeys()).toEqual([dataKey(inc)]);
      open.clock.advance(GRACE + 1);
      expect((await collectNow(open)).freed.objects).toBe(unlinked ? 1 : 0);
    }
  });

  test('fences a repository created after the scan and spares what it links', async () => {
    const open = openRegistry();
    const digest = await open.push(A, text('x'));
    const inc = await incOf(open, A, digest);
    await open.registry.blobs.delete(A, digest, ACTOR);
    open.clock.advance(GRACE + 1);
    const epoch = { id: open.newIncarnation(), condemned: [inc], heads: new Map() };
    const link = { type: 'blob.linked' as const, digest, size: 1, inc };
    await open.projection.submit(C, { decide: () => ({ kind: 'accepted', events: [link], result: 0 }) });
    await openEpoch(epoch, collectionPorts(open));
    expect(await finishEpoch(epoch, collectionPorts(open), never)).toMatchObject({ spared: 1, freed: 0 });
    expect((await foldLog(open.driver, C)).state.seq).toBe(2);
  });

  test('fences a log with a marker and no slot, in slot 1', async () => {
    const open = openRegistry();
    const digest = await open.push(A, text('x'));
    await open.registry.blobs.delete(A, digest, ACTOR);
    await open.driver.create(markerKey(B), new Uint8Array());
    open.clock.advance(GRACE + 1);
    expect((await collectNow(open)).freed.objects).toBe(1);
    const { state } = await foldLog(open.driver, B);
    expect([state.seq, state.exists]).toEqual([1, false]);
  });

  test('runs in epochs of bounded size; only the last one lets the logs drop tombstones', async () => {
    const open = openRegistry();
    const digests = await Promise.all(Array.from({ length: 25 }, (_, index) => open.push(A, text(`blob ${index}`))));
    for (const digest of digests) await open.registry.blobs.delete(A, digest, ACTOR);
    open.clock.advance(GRACE + 1);
    const report = await collectNow(open, { epochSize: 10 });
    expect([report.epochs, report.freed.objects]).toEqual([3, 25]);
    expect(await open.dataKeys()).toEqual([]);
    const batches = await Promise.all([...Array(200).keys()].map((seq) => open.driver.read(slotKey(A, seq + 1))));
    const fences = batches.flatMap((bytes) =>
      bytes === undefined
        ? []
        : JSON.parse(new TextDecoder().decode(bytes)).events.filter(
            ({ type }: { type: string }) => type === 'gc.fence',
          ),
    );
    expect(fences.map((fence) => fence.forget !== undefined)).toEqual([false, false, true]);
  });

  test('that is scheduled waits until its garbage is worth a slot in each log', async () => {
    const open = openRegistry();
    for (const repo of [A, B, C]) await pushManifest(open, repo, await open.push(repo, text(`of ${repo}`)));
    const gone = await open.push(A, text('gone'));
    await open.registry.blobs.delete(A, gone, ACTOR);
    open.clock.advance(GRACE + HOUR);
    const idle = await collectNow(open, {}, {});
    expect(idle).toMatchObject({ epochs: 0, waiting: { objects: 1, bytes: 4 }, oldestGarbageSeconds: 3600 });
    open.clock.advance(GRACE);
    expect(await collectNow(open, {}, {})).toMatchObject({ epochs: 1, freed: { objects: 1 } });
  });
});

describe('an epoch', () => {
  async function condemned(): Promise<{ open: Opened; inc: Awaited<ReturnType<typeof incOf>>; digest: Digest }> {
    const open = openRegistry();
    const digest = await open.push(A, text('x'));
    const inc = await incOf(open, A, digest);
    await open.registry.blobs.delete(A, digest, ACTOR);
    open.clock.advance(GRACE + 1);
    return { open, inc, digest };
  }

  test('that was left open is finished by the next run', async () => {
    const { open, inc } = await condemned();
    const ports = collectionPorts(open);
    await openEpoch({ id: open.newIncarnation(), condemned: [inc] }, ports);
    expect(await openEpochs(ports)).toHaveLength(1);
    const report = await collectNow(open);
    expect([report.freed, report.epochs, report.condemned]).toEqual([{ objects: 1, bytes: 1 }, 1, 1]);
    expect(await openEpochs(ports)).toEqual([]);
  });

  test('deletes what its final list says, whichever leader wrote it, and nothing else', async () => {
    const { open, inc } = await condemned();
    const id = open.newIncarnation();
    const ports = collectionPorts(open);
    await openEpoch({ id, condemned: [inc] }, ports);
    await open.driver.create(finalKey(id), encodeList([]));
    expect(await finishEpoch({ id, condemned: [inc] }, ports, never)).toMatchObject({ freed: 0, spared: 1 });
    expect(await open.dataKeys()).toEqual([dataKey(inc)]);
  });

  test('stays open while a delete fails, and what it condemns cannot be linked', async () => {
    const { open, inc, digest } = await condemned();
    const remove = open.driver.delete.bind(open.driver);
    open.driver.delete = async (keys) =>
      keys.includes(dataKey(inc)) ? [{ key: dataKey(inc), cause: new Error('the disk says no') }] : remove(keys);
    expect(await collectNow(open)).toMatchObject({ failures: 1, freed: { objects: 0 }, waiting: { objects: 1 } });
    expect(await openEpochs(collectionPorts(open))).toHaveLength(1);
    // Pushed again: other bytes are linked.
    await open.push(A, text('x'));
    expect(await open.linkOf(A, digest)).not.toBe(inc);
    open.driver.delete = remove;
    expect(await collectNow(open)).toMatchObject({ failures: 0, freed: { objects: 1 } });
    expect(await open.dataKeys()).toHaveLength(1);
  });

  test('yields between two batches of deletes, and deletes no further batch once it is aborted', async () => {
    const open = openRegistry();
    for (let push = 0; push < 5; push++) {
      const digest = await open.push(A, text(`push ${push}`));
      await open.registry.blobs.delete(A, digest, ACTOR);
    }
    open.clock.advance(GRACE + 1);
    const stopping = new AbortController();
    const remove = open.driver.delete.bind(open.driver);
    const steps: string[] = [];
    open.driver.delete = async (keys) => {
      steps.push(`${keys.length} deleted`);
      return await remove(keys);
    };
    const yieldToRequests = async (): Promise<void> => {
      if (steps.length === 0) return;
      steps.push('rest');
      stopping.abort(new Error('the process is stopping'));
    };
    const ports = collectionPorts(open, 1, { deleteBatch: 2, yieldToRequests });
    await expect(collect(ports, stopping.signal, { thorough: true })).rejects.toThrow('the process is stopping');
    expect(steps).toEqual(['2 deleted', 'rest']);
    expect(await open.dataKeys()).toHaveLength(3);
    open.driver.delete = remove;
    expect(await collectNow(open)).toMatchObject({ freed: { objects: 3 } });
  });

  test.each(['broken', 'with a gap'])('ends without deleting if a log is %s', async (how) => {
    const { open, inc } = await condemned();
    const other = openRegistry({ driver: open.driver, clock: open.clock, number: 5 });
    for (let push = 0; push < 4; push++) await other.push(B, text(`push ${push}`));
    const ports = collectionPorts(open);
    const id = open.newIncarnation();
    await openEpoch({ id, condemned: [inc] }, ports);
    if (how === 'broken') await open.driver.put(slotKey(B, 2), text('{}'));
    else await open.driver.delete([slotKey(B, 3)]);
    const result = await finishEpoch({ id, condemned: [inc] }, ports, never);
    expect([result.broken?.kind, result.freed]).toEqual(['log-broken', 0]);
    expect(await open.dataKeys()).toContain(dataKey(inc));
    expect(await openEpochs(ports)).toEqual([]);
    expect((await open.driver.read(slotKey(B, 3))) === undefined).toBe(how === 'with a gap');
  });

  test('a truncated list is rejected', async () => {
    const { open, inc } = await condemned();
    const bytes = encodeList([inc]);
    expect(decodeList(bytes)).toEqual([inc]);
    await open.driver.put(condemnedKey(open.newIncarnation()), bytes.subarray(0, 20));
    await expect(collectNow(open)).rejects.toThrow('is truncated');
    expect(await open.dataKeys()).toEqual([dataKey(inc)]);
  });

  test('does nothing in an empty store', async () => {
    const open = openRegistry({ driver: new MemoryDriver() });
    expect(await collectNow(open)).toMatchObject({ examined: { objects: 0, bytes: 0 }, epochs: 0 });
  });
});
