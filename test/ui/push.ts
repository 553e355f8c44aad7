// Pushes to a registry with accounts.
import { expect } from 'bun:test';
import { basic } from '../access/world.ts';
import { image, json, mediaTypes, randomBlob } from '../support/oci.ts';

/** Pushes a new image as the administrator. */
export async function pushAsAdmin(url: string, repo: string, tag: string): Promise<void> {
  const { bytes, blobs } = image({ config: json({}, mediaTypes.empty), layers: [randomBlob(100)] });
  for (const blob of blobs)
    await send('POST', `${url}/v2/${repo}/blobs/uploads/?digest=${blob.descriptor.digest}`, blob.bytes);
  await send('PUT', `${url}/v2/${repo}/manifests/${tag}`, bytes, { 'content-type': mediaTypes.manifest });
}

async function send(
  method: string,
  url: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const response = await fetch(url, {
    method,
    headers: { authorization: basic('admin'), ...headers },
    body: new Uint8Array(body),
    // Of a test over TLS, whose certificate nobody else trusts.
    tls: { rejectUnauthorized: false },
  });
  await response.bytes();
  expect([url, response.status]).toEqual([url, 201]);
}
