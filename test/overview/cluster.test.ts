// The index of one node follows what another node of the cluster writes.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { startCluster, stopClusters } from '../support/cluster.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, image, pushImage, pushManifest } from '../support/oci.ts';

setDefaultTimeout(300_000);
afterAll(stopClusters);

interface Found {
  readonly hits: readonly { readonly kind: string; readonly repository: string; readonly tag?: string }[];
  readonly isComplete: boolean;
}

test('what one node has acknowledged is found by a search on another, and what it deleted no more', async () => {
  // With one thread a node cannot answer a search by another thread than the one that has written.
  const { nodes } = await startCluster({ balancer: false, env: { THREADS: '1' } });
  const [one, other] = nodes;
  if (one === undefined || other === undefined) return expect.unreachable();
  const search = async (text: string): Promise<Found> => {
    const { bytes } = await expectStatus(200, `${other.url}/api/v1/search?q=${text}`);
    return JSON.parse(new TextDecoder().decode(bytes)) as Found;
  };
  const app = image();
  await pushImage(one.url, 'team/before', app, 'v1');
  await eventually(async () => {
    const found = await search('before');
    expect(found).toMatchObject({ isComplete: true, hits: [{ kind: 'repository', repository: 'team/before' }] });
  });
  await pushImage(one.url, 'team/after', app, 'release-1');
  await eventually(async () => {
    expect((await search('release-1')).hits).toMatchObject([{ kind: 'tag', repository: 'team/after' }]);
  });
  await expectStatus(202, `${one.url}/v2/team/after/manifests/release-1`, { method: 'DELETE' });
  await eventually(async () => expect((await search('release-1')).hits).toEqual([]));
  // Its own write is found at once, if the answer does not say that the index was too slow.
  await pushManifest(other.url, 'team/before', app, 'own-1');
  let own = await search('own-1');
  while (!own.isComplete) own = await search('own-1');
  expect(own.hits).toMatchObject([{ kind: 'tag', repository: 'team/before' }]);
});
