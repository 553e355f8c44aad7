// Makes OCI content (blobs, manifests, indexes) and pushes it with fetch.
import { createHash, randomBytes } from 'node:crypto';

export const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  empty: 'application/vnd.oci.empty.v1+json',
} as const;

export type Algorithm = 'sha256' | 'sha512';
type Annotations = Readonly<Record<string, string>>;

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Annotations;
  readonly artifactType?: string;
  readonly platform?: { readonly os: string; readonly architecture: string };
  readonly urls?: readonly string[];
}

/** Bytes together with the descriptor that names them. */
export interface Content {
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
}

export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType: string;
  readonly artifactType?: string;
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
  readonly manifests?: readonly Descriptor[];
  readonly subject?: Descriptor;
  readonly annotations?: Annotations;
}

/** A manifest and the blobs that must be pushed before it. */
export interface Image extends Content {
  readonly manifest: Manifest;
  readonly blobs: readonly Content[];
}

export function digestOf(bytes: Uint8Array, algorithm: Algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

export function content(bytes: Uint8Array, mediaType: string, algorithm: Algorithm = 'sha256'): Content {
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes, algorithm), size: bytes.byteLength } };
}

export function randomBlob(size: number, algorithm: Algorithm = 'sha256'): Content {
  return content(new Uint8Array(randomBytes(size)), mediaTypes.layer, algorithm);
}

export function json(value: unknown, mediaType: string, algorithm: Algorithm = 'sha256'): Content {
  return content(new TextEncoder().encode(JSON.stringify(value)), mediaType, algorithm);
}

export const emptyConfig = json({}, mediaTypes.empty);

export interface ImageOptions {
  readonly config?: Content;
  readonly layers?: readonly Content[];
  readonly artifactType?: string;
  readonly subject?: Descriptor;
  readonly annotations?: Annotations;
  readonly algorithm?: Algorithm;
}

/** An image manifest. The default is one random layer of 1 KiB, so that no two images are the same. */
export function image(options: ImageOptions = {}): Image {
  const layers = options.layers ?? [randomBlob(1024, options.algorithm)];
  const config = options.config ?? imageConfig(layers, options.algorithm);
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    ...(options.artifactType === undefined ? {} : { artifactType: options.artifactType }),
    config: config.descriptor,
    layers: layers.map((layer) => layer.descriptor),
    ...(options.subject === undefined ? {} : { subject: options.subject }),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
  };
  return { manifest, blobs: [config, ...layers], ...json(manifest, manifest.mediaType, options.algorithm) };
}

/** An index over images, each of which must be pushed before it. */
export function index(
  images: readonly Content[],
  options: Pick<ImageOptions, 'annotations' | 'subject' | 'artifactType' | 'algorithm'> = {},
): Content & { readonly manifest: Manifest } {
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    ...(options.artifactType === undefined ? {} : { artifactType: options.artifactType }),
    manifests: images.map((entry) => entry.descriptor),
    ...(options.subject === undefined ? {} : { subject: options.subject }),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
  };
  return { manifest, ...json(manifest, manifest.mediaType, options.algorithm) };
}

function imageConfig(layers: readonly Content[], algorithm?: Algorithm): Content {
  const config = {
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.descriptor.digest) },
  };
  return json(config, mediaTypes.config, algorithm);
}

/** POST, then PUT with all bytes. */
export async function pushBlob(url: string, repository: string, blob: Content): Promise<void> {
  const session = await expectStatus(202, `${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  const location = session.headers.get('location');
  if (location === null) throw new Error(`the upload to ${repository} has no Location`);
  const target = new URL(location, url);
  target.searchParams.set('digest', blob.descriptor.digest);
  const headers = { 'content-type': 'application/octet-stream' };
  await expectStatus(201, target.href, { method: 'PUT', headers, body: blob.bytes });
}

/** An upload of `size` bytes that is never closed. */
export async function abandonUpload(url: string, repository: string, size: number): Promise<void> {
  const session = await expectStatus(202, `${url}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  const target = new URL(session.headers.get('location') ?? '', url);
  const headers = { 'content-type': 'application/octet-stream' };
  await expectStatus(202, target.href, { method: 'PATCH', headers, body: randomBlob(size).bytes });
}

/** PUT of a manifest or index whose references exist, by digest unless a tag is named. */
export async function pushManifest(url: string, repository: string, manifest: Content, tag?: string): Promise<void> {
  const { digest, mediaType } = manifest.descriptor;
  const target = `${url}/v2/${repository}/manifests/${tag ?? digest}`;
  await expectStatus(201, target, { method: 'PUT', headers: { 'content-type': mediaType }, body: manifest.bytes });
}

/** An image with all its blobs. */
export async function pushImage(url: string, repository: string, pushed: Image, tag?: string): Promise<void> {
  for (const blob of pushed.blobs) await pushBlob(url, repository, blob);
  await pushManifest(url, repository, pushed, tag);
}

/** Pushes again if a busy machine took longer than blobs are sure to be kept for: the first may be gone when the manifest arrives. */
export async function pushWithinGrace(graceMs: number, push: () => Promise<void>): Promise<void> {
  for (;;) {
    const begun = performance.now();
    try {
      return await push();
    } catch (error) {
      if (performance.now() - begun < graceMs / 2) throw error;
    }
  }
}

/** If the server has several threads, each request is to reach any of them, and a connection stays with its thread. */
const keepalive = process.env.TEST_THREADS === undefined;

/** Reads the whole response. @throws Error with the response if it has another status */
export async function expectStatus(
  status: number,
  url: string,
  init: RequestInit = {},
): Promise<{ readonly headers: Headers; readonly bytes: Uint8Array }> {
  const response = await fetch(url, { signal: AbortSignal.timeout(60_000), redirect: 'manual', keepalive, ...init });
  const bytes = await response.bytes();
  if (response.status !== status) {
    const text = new TextDecoder().decode(bytes.subarray(0, 2_000));
    throw new Error(`${init.method ?? 'GET'} ${url}: expected ${status}, got ${response.status}: ${text}`);
  }
  return { headers: response.headers, bytes };
}
