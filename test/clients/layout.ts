// OCI image layouts on disk, from which the clients push, because images cannot be pulled from elsewhere.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Content,
  content,
  type Descriptor,
  digestOf,
  type Image,
  image,
  json,
  mediaTypes,
} from '../support/oci.ts';

/** Sizes of the random files in the layers of an image: a small one, and one that clients push in chunks. */
const LAYER_SIZES = [1_000, 9 * 1024 * 1024];

/** An image that container engines accept: layers are real archives and the config names what they unpack to. */
export async function runnableImage(architecture = 'amd64'): Promise<Image> {
  const archives = await Promise.all(
    LAYER_SIZES.map((size, position) =>
      new Bun.Archive({ [`file-${position}`]: new Uint8Array(randomBytes(size)) }).bytes(),
    ),
  );
  const config = {
    architecture,
    os: 'linux',
    config: { Cmd: ['/file-0'] },
    rootfs: { type: 'layers', diff_ids: archives.map((archive) => digestOf(archive)) },
  };
  return image({
    config: json(config, mediaTypes.config),
    layers: archives.map((archive) => content(Bun.gzipSync(archive), mediaTypes.layer)),
  });
}

export function forPlatform(entry: Content, architecture: string): Content {
  return { bytes: entry.bytes, descriptor: { ...entry.descriptor, platform: { os: 'linux', architecture } } };
}

/** Writes a layout whose index names `top` as `tag`; `parts` are all other blobs and manifests below it. */
export function writeLayout(folder: string, top: Content, parts: readonly Content[], tag: string): void {
  const blobs = join(folder, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  for (const part of [top, ...parts]) writeFileSync(join(blobs, fileName(part.descriptor)), part.bytes);
  const entry: Descriptor = { ...top.descriptor, annotations: { 'org.opencontainers.image.ref.name': tag } };
  writeFileSync(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
}

/** Every blob of a layout by its digest, each checked against its name. */
export function readLayout(folder: string): Map<string, Uint8Array> {
  const blobs = join(folder, 'blobs', 'sha256');
  const found = new Map<string, Uint8Array>();
  for (const name of readdirSync(blobs)) {
    const bytes = readFileSync(join(blobs, name));
    if (digestOf(bytes) !== `sha256:${name}`) throw new Error(`${folder}: the bytes of ${name} do not match its name`);
    found.set(`sha256:${name}`, bytes);
  }
  return found;
}

function fileName(descriptor: Descriptor): string {
  return descriptor.digest.slice('sha256:'.length);
}
