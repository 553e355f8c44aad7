// What the primary's collections delete is deleted at the replica, too, and nothing else.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fsck, marina } from '../cli/marina.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, image, pushImage, randomBlob } from '../support/oci.ts';
import { cleanUp, startServer, temporaryFolder } from '../support/server.ts';
import { becomesEqual, expectPull, replicaOf, startReplica } from './replicas.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const REPO = 'team/app';

/** Names of the stored objects. */
function objectsIn(dataPath: string): string[] {
  const shelves = readdirSync(join(dataPath, 'data'));
  return shelves.flatMap((shelf) => readdirSync(join(dataPath, 'data', shelf))).sort();
}

test('a replica deletes what the collections of its primary deleted, once it has the logs to which that applies', async () => {
  const STORAGE_PATH = temporaryFolder('primary');
  // A push may take longer than the grace on a busy machine, so nothing is collected meanwhile.
  const first = await startServer({ STORAGE_PATH, GC_ENABLED: 'false' });
  const [kept, deleted] = [image(), image({ layers: [randomBlob(200_000)] })];
  await pushImage(first.url, REPO, kept, 'kept');
  await pushImage(first.url, REPO, deleted, 'deleted');
  await pushImage(first.url, 'team/other', kept, 'kept');
  expect(await first.stop()).toBe(0);
  const primary = await startServer({ STORAGE_PATH, GC_GRACE: '2s', GC_INTERVAL: '500ms' });
  const settings = replicaOf(primary.url, { GC_GRACE: '2s' });
  const before = await startReplica(settings);
  await becomesEqual(settings, 4);
  expect(objectsIn(settings.STORAGE_PATH)).toEqual(objectsIn(STORAGE_PATH));
  const all = objectsIn(STORAGE_PATH).length;
  await expectStatus(202, `${primary.url}/v2/${REPO}/manifests/${deleted.descriptor.digest}`, { method: 'DELETE' });
  // One round unlinks the blobs, and one after the grace deletes them.
  await eventually(() => expect(objectsIn(STORAGE_PATH)).toHaveLength(all - 3));
  // It looks for them when it begins to follow, and every ten minutes.
  await before.stop();
  const copy = await startReplica(settings);
  await eventually(() => expect(objectsIn(settings.STORAGE_PATH)).toEqual(objectsIn(STORAGE_PATH)));
  await becomesEqual(settings, 4);
  await expectPull(copy.url, REPO, 'kept', kept);
  await expectPull(copy.url, 'team/other', 'kept', kept);
  expect((await fsck(settings.STORAGE_PATH, '--scrub')).faults).toEqual([]);
  expect((await marina(settings.STORAGE_PATH, 'gc')).stderr).toContain('is a replica of');
});
