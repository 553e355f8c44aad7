import { expect, test } from 'bun:test';
import { collectNow } from '../../test/support/collection.ts';
import { A, ACTOR, CALLER, EXPIRY, openRegistry, pulled, tag, text } from '../../test/support/registry.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../oci/media-types.ts';
import type { Digest } from '../oci/names.ts';

test('without a policy untagged manifests, manifests of indexes however deep, and referrers stay, with all their blobs', async () => {
  const open = openRegistry();
  const { manifests } = open.registry;
  const described = (mediaType: string) => (digest: Digest) => ({ mediaType, digest, size: 1 });
  const put = async (mediaType: string, content: object, ...tags: string[]): Promise<Digest> => {
    const bytes = text(JSON.stringify({ schemaVersion: 2, mediaType, ...content }));
    const pushed = { bytes, contentType: mediaType, digest: undefined, tags: tags.map(tag) };
    return (await manifests.put(A, pushed, ACTOR)).digest;
  };
  const image = async (name: string, more: object = {}) => {
    const blob = await open.push(A, text(name));
    const config = described('application/vnd.oci.image.config.v1+json')(blob);
    return { blob, digest: await put(OCI_MANIFEST, { config, layers: [], ...more }) };
  };
  const [part, deep, loose] = [await image('part'), await image('deep'), await image('loose')];
  const inner = await put(OCI_INDEX, { manifests: [deep.digest].map(described(OCI_MANIFEST)) });
  const outer = await put(OCI_INDEX, { manifests: [inner, part.digest].map(described(OCI_INDEX)) }, 'v1');
  const signature = await image('signature', { subject: described(OCI_INDEX)(outer) });
  const attested = await image('attested', { subject: described(OCI_MANIFEST)(signature.digest) });
  const images = [part, deep, loose, signature, attested];
  const [objects, forgotten] = [(await open.dataKeys()).length, await open.push(A, text('nothing refers to it'))];

  // As long as anything could have to wait for, and each time once more.
  for (let time = 0; time < 3; time++) {
    open.clock.advance(2 * EXPIRY + 1);
    await collectNow(open);
  }
  const later = openRegistry({ driver: open.driver, clock: open.clock, number: 9 });
  const stored = async (digest: Digest) =>
    await later.registry.manifests.bytes(await later.registry.manifests.resolve(A, { kind: 'digest', digest }), CALLER);
  for (const digest of [...images.map((each) => each.digest), inner, outer])
    expect((await stored(digest)).length).toBeGreaterThan(0);
  for (const { blob } of images) expect((await pulled(later, blob)).length).toBeGreaterThan(0);
  expect([await later.linkOf(A, forgotten), (await open.dataKeys()).length]).toEqual([undefined, objects]);
});
