import { describe, expect, test } from 'bun:test';
import {
  A,
  ACTOR,
  B,
  CALLER,
  GRACE,
  type OpenRegistry,
  openRegistry,
  refusalOf,
  text,
} from '../../test/support/registry.ts';
import { foldLog } from '../journal/log.ts';
import { digestOf } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest } from '../oci/names.ts';

const bytes = text('the bytes of a blob');
const digest = digestOf('sha256', bytes);
const TYPE = 'application/vnd.oci.image.manifest.v1+json';

async function slots({ driver }: OpenRegistry): Promise<number> {
  return (await foldLog(driver, A)).state.seq;
}

async function refer({ registry }: OpenRegistry): Promise<Digest> {
  const config = { mediaType: 'application/octet-stream', digest, size: bytes.length };
  const manifest = text(JSON.stringify({ schemaVersion: 2, mediaType: TYPE, config, layers: [] }));
  const pushed = { bytes: manifest, contentType: TYPE, digest: undefined, tags: [] };
  return (await registry.manifests.put(A, pushed, ACTOR)).digest;
}

/** Every way in which a client learns that it need not upload a blob. */
const WAYS: readonly [string, (open: OpenRegistry) => Promise<unknown>][] = [
  ['HEAD', async ({ registry }) => registry.blobs.renew(A, digest)],
  ['a mount of an existing blob', ({ registry }) => registry.linking.mount(A, digest, B, CALLER)],
  ['an upload of an existing blob', (open) => open.push(A, bytes)],
];

describe.each(WAYS)('after %s', (_, learn) => {
  async function pushed(): Promise<OpenRegistry> {
    const open = openRegistry();
    await open.push(A, bytes);
    await open.push(B, bytes);
    return open;
  }

  test('a blob without references stays for at least half of the grace period', async () => {
    const open = await pushed();
    const before = await open.linkOf(A, digest);
    open.clock.advance(GRACE / 2);
    await learn(open);
    expect(await slots(open)).toBe(1);
    open.clock.advance(1);
    await learn(open);
    const { state } = await foldLog(open.driver, A);
    expect([state.seq, state.blob(digest)?.since]).toEqual([2, open.clock.now()]);
    // The same bytes, whatever a collection has condemned, because this log already links them.
    expect(state.blob(digest)?.inc).toBe(before ?? expect.unreachable());
    await learn(open);
    expect(await slots(open)).toBe(2);
  });

  test('a blob with a reference is not renewed, however old, and it counts as young once it has lost its manifest', async () => {
    const open = await pushed();
    const manifest = await refer(open);
    open.clock.advance(10 * GRACE);
    await learn(open);
    expect(await slots(open)).toBe(2);
    await open.registry.manifests.delete(A, manifest, ACTOR);
    await learn(open);
    expect(await slots(open)).toBe(3);
    open.clock.advance(GRACE / 2 + 1);
    await learn(open);
    expect(await slots(open)).toBe(4);
  });
});

describe('HEAD of a blob without references', () => {
  test('reports it as absent if its link cannot be renewed', async () => {
    for (const kind of ['unavailable', 'storage-full'] as const) {
      const open = openRegistry();
      await open.push(A, bytes);
      open.clock.advance(GRACE);
      open.projection.submit = () => Promise.reject(new RegistryError(kind, 'no'));
      const asked = Promise.try(() => open.registry.blobs.renew(A, digest));
      expect(await refusalOf(asked)).toBe('blob-unknown');
      // Its bytes are still served.
      expect((await open.registry.blobs.resolve(A, digest)).size).toBe(bytes.length);
    }
  });

  test('by many clients concurrently appends once', async () => {
    const open = openRegistry();
    await open.push(A, bytes);
    open.clock.advance(GRACE);
    await Promise.all(Array.from({ length: 20 }, async () => await open.registry.blobs.renew(A, digest)));
    const events = (await foldLog(open.driver, A)).state.seq;
    expect(events).toBe(2);
    const slot = JSON.parse(new TextDecoder().decode(await open.driver.read(`repos/${A}/_log/00000000000000000002`)));
    expect(slot.events).toHaveLength(1);
  });

  test('that does not exist, or in a repository that does not exist, is an error', async () => {
    const open = openRegistry();
    expect(await refusalOf(Promise.try(() => open.registry.blobs.renew(A, digest)))).toBe('name-unknown');
    await open.push(A, text('other'));
    expect(await refusalOf(Promise.try(() => open.registry.blobs.renew(A, digest)))).toBe('blob-unknown');
  });
});
