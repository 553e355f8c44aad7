import { type Content, content, expectStatus, image, mediaTypes, randomBlob } from '../../support/oci.ts';

export const REPOSITORY = 'durability/traced';
/** More than is buffered in memory, and more than may arrive without a sync. */
const BIG_BYTES = 72 * 1024 * 1024;

/** Each kind of write once, sequentially. */
export async function pushEverything(url: string): Promise<void> {
  const [config, layer] = [content(new TextEncoder().encode('{}'), mediaTypes.config), randomBlob(4_000)];
  await postAndPut(url, config);
  await postWhole(url, layer);
  const pushed = image({ config, layers: [layer] });
  await putManifest(url, `${REPOSITORY}/manifests/v1`, pushed);
  await postWhole(url, randomBlob(1_000_000));
  await inChunks(url, randomBlob(BIG_BYTES), [BIG_BYTES - 3_000_000, 2_000_000]);
  await inChunks(url, randomBlob(200_000), [100_000, 100_000]);
  const other = image({ config, layers: [layer], annotations: { other: 'yes' } });
  await putManifest(url, `${REPOSITORY}/manifests/${other.descriptor.digest}?tag=v2&tag=v3`, other);
  await expectStatus(
    201,
    `${url}/v2/durability/mounted/blobs/uploads/?mount=${layer.descriptor.digest}&from=${REPOSITORY}`,
    {
      method: 'POST',
    },
  );
  await expectStatus(202, `${url}/v2/${REPOSITORY}/manifests/v1`, { method: 'DELETE' });
  await expectStatus(202, `${url}/v2/${REPOSITORY}/manifests/${other.descriptor.digest}`, { method: 'DELETE' });
  await expectStatus(202, `${url}/v2/durability/mounted/blobs/${layer.descriptor.digest}`, { method: 'DELETE' });
}

async function begin(url: string): Promise<string> {
  const { headers } = await expectStatus(202, `${url}/v2/${REPOSITORY}/blobs/uploads/`, { method: 'POST' });
  return url + headers.get('location');
}

async function postAndPut(url: string, { bytes, descriptor }: Content): Promise<void> {
  await expectStatus(201, `${await begin(url)}?digest=${descriptor.digest}`, { method: 'PUT', body: bytes });
}

async function postWhole(url: string, { bytes, descriptor }: Content): Promise<void> {
  const target = `${url}/v2/${REPOSITORY}/blobs/uploads/?digest=${descriptor.digest}`;
  await expectStatus(201, target, { method: 'POST', body: bytes });
}

/** A PATCH for each size, and a closing PUT with the rest. */
async function inChunks(url: string, { bytes, descriptor }: Content, sizes: readonly number[]): Promise<void> {
  const location = await begin(url);
  let sent = 0;
  for (const size of sizes) {
    const body = bytes.subarray(sent, sent + size);
    const headers = { 'content-range': `${sent}-${sent + size - 1}` };
    await expectStatus(202, location, { method: 'PATCH', headers, body });
    sent += size;
  }
  const body = bytes.subarray(sent);
  await expectStatus(201, `${location}?digest=${descriptor.digest}`, { method: 'PUT', body });
}

async function putManifest(url: string, target: string, { bytes, descriptor }: Content): Promise<void> {
  const headers = { 'content-type': descriptor.mediaType };
  await expectStatus(201, `${url}/v2/${target}`, { method: 'PUT', headers, body: bytes });
}
