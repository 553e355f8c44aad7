// Clients that increment a counter kept in an image: each reads the tag, adds one, and pushes on condition that the tag has not moved.
import { expect } from 'bun:test';
import { concurrently } from '../support/concurrently.ts';
import { type Content, emptyConfig, json, mediaTypes } from '../support/oci.ts';

export const REPOSITORY = 'team/counter';
export const TAG = 'count';

interface Counted {
  readonly schemaVersion: 2;
  readonly annotations: { readonly count: string };
}

/** Only the count makes one differ from another, so two clients that add one to the same count push the same bytes. */
export function counterImage(count: number): Content {
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: emptyConfig.descriptor,
    layers: [],
    annotations: { count: String(count) },
  };
  return json(manifest, mediaTypes.manifest);
}

/** PUT by tag with a condition. */
export function putIf(url: string, image: Content, condition: Readonly<Record<string, string>>): Promise<Response> {
  return fetch(`${url}/v2/${REPOSITORY}/manifests/${TAG}`, {
    method: 'PUT',
    headers: { 'content-type': image.descriptor.mediaType, ...condition },
    body: new Uint8Array(image.bytes),
    signal: AbortSignal.timeout(60_000),
  });
}

export async function countAt(url: string): Promise<{ readonly count: number; readonly etag: string }> {
  const response = await fetch(`${url}/v2/${REPOSITORY}/manifests/${TAG}`, { signal: AbortSignal.timeout(60_000) });
  expect(response.status).toBe(200);
  const { annotations } = (await response.json()) as Counted;
  return { count: Number(annotations.count), etag: response.headers.get('etag') ?? '' };
}

/** @returns how many pushes were refused because another client was faster */
export async function incrementConcurrently(
  urls: readonly string[],
  clients: number,
  increments: number,
): Promise<number> {
  let refused = 0;
  const all = Array.from({ length: clients }, (_, client) => urls[client % urls.length] ?? expect.unreachable());
  await concurrently(clients, all, async (url) => {
    for (let left = increments; left > 0; ) {
      const { count, etag } = await countAt(url);
      const response = await putIf(url, counterImage(count + 1), { 'If-Match': etag });
      await response.bytes();
      if (response.status === 201) left--;
      else if (response.status === 412) refused++;
      else throw new Error(`a push was answered with ${response.status}`);
    }
  });
  return refused;
}
