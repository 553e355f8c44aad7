// A replica of a primary that has lost an object shows that it lacks it, and gets it once the primary has it again.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { image, pushImage, randomBlob } from '../support/oci.ts';
import { cleanUp, startServer, temporaryFolder } from '../support/server.ts';
import { becomesEqual, expectPull, replica, replicaOf, startReplica } from './replicas.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const REPO = 'team/app';
const MISSING = 'missing  1 object that logs link: the source lacks or has damaged them';

async function expectMetrics(url: string, missing: number, current: number): Promise<void> {
  await eventually(async () => {
    const lines = (await (await fetch(`${url}/metrics`)).text()).split('\n');
    expect(lines).toContain(`marina_replica_missing_objects ${missing}`);
    expect(lines).toContain(`marina_replica_current ${current}`);
  }, 60_000);
}

test('a replica that lacks an object is not current, says so, and copies the object once its source has it', async () => {
  const STORAGE_PATH = temporaryFolder('primary');
  const primary = await startServer({ STORAGE_PATH });
  const layer = randomBlob(100_000);
  const pushed = image({ layers: [layer] });
  await pushImage(primary.url, REPO, pushed, 'v1');
  const data = join(STORAGE_PATH, 'data');
  const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  const lost = files
    .map(({ parentPath, name }) => join(parentPath, name))
    .find((path) => Buffer.compare(readFileSync(path), layer.bytes) === 0);
  if (lost === undefined) throw new Error('the layer is not in the folder');
  const kept = join(temporaryFolder('kept'), 'object');
  renameSync(lost, kept);
  const settings = replicaOf(primary.url);
  const before = await startReplica(settings);
  await becomesEqual(settings, 3);
  await expectMetrics(before.url, 1, 0);
  await eventually(async () => expect((await replica(settings, 'status')).lines).toContain(MISSING));
  await before.stop();
  renameSync(kept, lost);
  const after = await startReplica(settings);
  await expectMetrics(after.url, 0, 1);
  await eventually(async () => expect((await replica(settings, 'status')).stdout).not.toContain('missing'));
  await primary.stop();
  await expectPull(after.url, REPO, 'v1', pushed);
});
