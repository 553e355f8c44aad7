// Content for distribution with everything that an import must support, and a check that all of it was imported.
import { expect } from 'bun:test';
import {
  type Content,
  content,
  emptyConfig,
  expectStatus,
  type Image,
  image,
  index,
  mediaTypes,
  pushBlob,
  pushImage,
  pushManifest,
  randomBlob,
} from '../support/oci.ts';

export interface Pushed {
  readonly manifests: ReadonlyMap<string, readonly Content[]>;
  readonly blobs: ReadonlyMap<string, readonly Content[]>;
  readonly tags: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** In team/app: a subject, and its referrer. */
  readonly subject: Content;
  readonly referrer: Content;
  /** The bytes of all blobs, each digest once. */
  readonly blobBytes: number;
}

/** Two repositories that share layers, one with a name of many components, an index with children, a referrer, a deleted tag. */
export async function pushEverything(url: string, bigLayer: number): Promise<Pushed> {
  const shared = randomBlob(bigLayer);
  const app = image({ layers: [shared, randomBlob(300_000)] });
  const arm = image({ layers: [shared, randomBlob(1_000)] });
  const both = index([app, arm], { annotations: { 'org.example.what': 'both' } });
  const artifact = image({
    ...{ config: emptyConfig, artifactType: 'application/vnd.example.sbom' },
    ...{ subject: app.descriptor, annotations: { 'org.example.made': 'today' } },
  });
  const old = image();
  const deep = image({ layers: [shared, randomBlob(2_000)] });
  // Distribution stores the bytes under their sha256 digest, and links both digests to it.
  const layer = randomBlob(3_000, 'sha512');
  const twin = content(layer.bytes, mediaTypes.layer);
  const longer = image({ layers: [layer] });
  const loose = randomBlob(5_000);
  const empty = content(new Uint8Array(), 'application/octet-stream');

  for (const each of [app, arm, longer]) await pushImage(url, 'team/app', each);
  await pushManifest(url, 'team/app', both, 'latest');
  for (const tag of ['v1', 'v1.0', 'V_1']) await pushManifest(url, 'team/app', app, tag);
  await pushImage(url, 'team/app', artifact);
  await pushImage(url, 'team/app', old, 'moved');
  await pushManifest(url, 'team/app', arm, 'moved');
  for (const blob of [loose, empty]) await pushBlob(url, 'team/app', blob);
  await pushImage(url, 'team/app/deeper/down_here', deep, 'v1');
  await pushImage(url, 'alone', old, 'v1');
  const images: Image[] = [app, arm, artifact, old, longer];
  const blobs = new Map([
    ['team/app', [...images.flatMap((each) => each.blobs), twin, loose, empty]],
    ['team/app/deeper/down_here', deep.blobs],
    ['alone', old.blobs],
  ]);
  const each = new Map([...blobs.values()].flat().map(({ descriptor }) => [descriptor.digest, descriptor.size]));
  return {
    blobs,
    manifests: new Map([
      ['team/app', [...images, both]],
      ['team/app/deeper/down_here', [deep]],
      ['alone', [old]],
    ]),
    tags: new Map([
      [
        'team/app',
        {
          ...{ latest: both.descriptor.digest, moved: arm.descriptor.digest },
          ...{ v1: app.descriptor.digest, 'v1.0': app.descriptor.digest, V_1: app.descriptor.digest },
        },
      ],
      ['team/app/deeper/down_here', { v1: deep.descriptor.digest }],
      ['alone', { v1: old.descriptor.digest }],
    ]),
    subject: app,
    referrer: artifact,
    blobBytes: [...each.values()].reduce((sum, size) => sum + size, 0),
  };
}

/** Pulls everything from the registry, and compares it byte for byte. */
export async function checkEverything(url: string, pushed: Pushed): Promise<void> {
  const { repositories } = await jsonOf(`${url}/v2/_catalog`);
  expect(repositories).toEqual([...pushed.tags.keys()].sort());
  for (const [repo, tags] of pushed.tags) {
    const listed = await jsonOf(`${url}/v2/${repo}/tags/list`);
    expect([...listed.tags].sort()).toEqual(Object.keys(tags).sort());
    for (const [tag, digest] of Object.entries(tags)) {
      const { headers } = await expectStatus(200, `${url}/v2/${repo}/manifests/${tag}`, { headers: ANY });
      expect([repo, tag, headers.get('docker-content-digest')]).toEqual([repo, tag, digest]);
    }
  }
  for (const [repo, manifests] of pushed.manifests) {
    for (const { bytes, descriptor } of manifests) {
      const found = await expectStatus(200, `${url}/v2/${repo}/manifests/${descriptor.digest}`, { headers: ANY });
      expect(found.headers.get('content-type')).toBe(descriptor.mediaType);
      expect(Buffer.compare(found.bytes, bytes)).toBe(0);
    }
  }
  for (const [repo, blobs] of pushed.blobs) {
    for (const { bytes, descriptor } of blobs) {
      const found = await expectStatus(200, `${url}/v2/${repo}/blobs/${descriptor.digest}`);
      expect(Buffer.compare(found.bytes, bytes)).toBe(0);
    }
  }
  const { manifests } = await jsonOf(`${url}/v2/team/app/referrers/${pushed.subject.descriptor.digest}`);
  const { digest, mediaType } = pushed.referrer.descriptor;
  const annotations = { 'org.example.made': 'today' };
  expect(manifests).toEqual([
    expect.objectContaining({ digest, mediaType, artifactType: 'application/vnd.example.sbom', annotations }),
  ]);
}

const ANY = { accept: 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json' };

interface Listing {
  readonly repositories: readonly string[];
  readonly tags: readonly string[];
  readonly manifests: readonly unknown[];
}

async function jsonOf(url: string): Promise<Listing> {
  return JSON.parse(new TextDecoder().decode((await expectStatus(200, url)).bytes));
}
