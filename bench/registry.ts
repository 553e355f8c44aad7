// Prepares repositories over HTTP, and verifies outside of the timed parts that a server serves the pushed content.
import { createHash } from 'node:crypto';

export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';
const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar+gzip';

export interface Manifest {
  bytes: Uint8Array<ArrayBuffer>;
  mediaType: string;
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Incompressible bytes, the same for the same label. */
export function bytesOf(label: string, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0, block = 0; at < length; at += 32, block += 1) {
    const sum = createHash('sha256').update(`${label} ${block}`).digest();
    bytes.set(sum.subarray(0, Math.min(32, length - at)), at);
  }
  return bytes;
}

export function imageManifest(config: Uint8Array, layers: readonly Uint8Array[]): Manifest {
  const describe = (mediaType: string, bytes: Uint8Array) => ({
    mediaType,
    size: bytes.length,
    digest: digestOf(bytes),
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: describe(CONFIG_TYPE, config),
    layers: layers.map((layer) => describe(LAYER_TYPE, layer)),
  };
  return { bytes: new TextEncoder().encode(JSON.stringify(manifest)), mediaType: MANIFEST_TYPE };
}

export async function pushBlob(address: string, repository: string, bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = digestOf(bytes);
  const start = await fetch(`http://${address}/v2/${repository}/blobs/uploads/`, { method: 'POST' });
  await expectStatus(start, 202);
  const location = new URL(start.headers.get('location') ?? '', `http://${address}`);
  location.searchParams.set('digest', digest);
  await expectStatus(await fetch(location, { method: 'PUT', body: bytes, headers: OCTETS }), 201);
  return digest;
}

const OCTETS = { 'content-type': 'application/octet-stream' };

export async function putManifest(address: string, repository: string, reference: string, manifest: Manifest) {
  const response = await fetch(`http://${address}/v2/${repository}/manifests/${reference}`, {
    method: 'PUT',
    headers: { 'content-type': manifest.mediaType },
    body: manifest.bytes,
  });
  await expectStatus(response, 201);
}

/** Pushes an image with a config and some layers under one tag. */
export async function pushImage(
  address: string,
  repository: string,
  tag: string,
  layers: readonly Uint8Array<ArrayBuffer>[],
): Promise<Manifest> {
  const config = new TextEncoder().encode(
    '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}',
  );
  for (const blob of [config, ...layers]) {
    await pushBlob(address, repository, blob);
  }
  const manifest = imageManifest(config, layers);
  await putManifest(address, repository, tag, manifest);
  return manifest;
}

export async function deleteManifest(address: string, repository: string, digest: string): Promise<void> {
  await expectStatus(await fetch(`http://${address}/v2/${repository}/manifests/${digest}`, { method: 'DELETE' }), 202);
}

/** Pulls and hashes, because a peer that serves wrong bytes must not be measured. Streams, so that any size fits into memory. */
export async function verifyServed(address: string, path: string, digest: string): Promise<void> {
  const response = await fetch(`http://${address}${path}`, { headers: { accept: `${MANIFEST_TYPE}, */*` } });
  if (response.status !== 200 || response.body === null) {
    throw new Error(`GET ${path}: status ${response.status}`);
  }
  const hash = createHash('sha256');
  for await (const piece of response.body) {
    hash.update(piece);
  }
  const got = `sha256:${hash.digest('hex')}`;
  if (got !== digest) {
    throw new Error(`GET ${path} served ${got} instead of ${digest}`);
  }
}

async function expectStatus(response: Response, status: number): Promise<void> {
  const text = await response.text();
  if (response.status !== status) {
    throw new Error(`${response.url}: status ${response.status} instead of ${status}: ${text.slice(0, 300)}`);
  }
}
