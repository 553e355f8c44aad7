// Uploads of more parts than one page of S3 lists. Only a simulated store accepts parts of less than 5 MiB; `npm run drill`
// sends as many parts to MinIO.
import { expect, test } from 'bun:test';
import { digestOf } from '../../src/oci/digest.ts';
import type { S3Clients } from '../../src/storage/s3/clients.ts';
import { S3Driver } from '../../src/storage/s3/driver.ts';
import { readSettings } from '../../src/storage/s3/open.ts';
import { Objects } from '../simulation/objects.ts';
import { SimulatedBucket } from '../simulation/s3.ts';
import { bodyOf } from '../simulation/s3-client.ts';
import { Scheduler } from '../simulation/scheduler.ts';
import { configurationOf, realPorts } from '../support/minio.ts';
import { KeptUpload, random } from './storage/store.ts';

const PART = 256;
/** The limit of S3. The last part is for the bytes after the last whole one. */
const MAX_PARTS = 10_000;

/** Drivers of two nodes for one bucket that answers at once. */
function twoNodes(): readonly [S3Driver, S3Driver] {
  const bucket = new SimulatedBucket(new Objects(new Scheduler(0)), false);
  const client = { send: async (command: object) => bucket.handle(command, await bodyOf(command)), destroy: () => {} };
  const clients = new Proxy({}, { get: (_, name) => (name === 'destroy' ? client.destroy : client) }) as S3Clients;
  const settings = { ...readSettings(configurationOf('http://store.invalid', 'marina')), partSize: PART };
  const open = (): S3Driver => new S3Driver(settings, realPorts(), clients);
  return [open(), open()];
}

test('an upload of thousands of parts from two alternating nodes is complete', async () => {
  const [one, two] = twoNodes();
  const upload = new KeptUpload();
  const bytes = random(2_345 * PART + 67);
  let at = 0;
  for (const [index, size] of [700 * PART + 1, 13, 1_200 * PART, bytes.length].entries()) {
    const next = Math.min(at + size, bytes.length);
    await upload.add(index % 2 === 0 ? one : two, bytes.subarray(at, next));
    at = next;
  }
  const { parts } = JSON.parse(upload.place.state ?? '') as { readonly parts: readonly unknown[] };
  expect(parts).toHaveLength(2_345);
  expect(await two.commit(upload.place, bytes.length)).toBe(true);
  expect(await one.digestStaged(upload.place, bytes.length, 'sha256')).toBe(digestOf('sha256', bytes));
});

test('an upload of more than 10,000 parts is refused with a clear message, and the parts before can be committed', async () => {
  const [driver] = twoNodes();
  const upload = new KeptUpload();
  const bytes = random(MAX_PARTS * PART);
  const fits = bytes.length - 1;
  await upload.add(driver, bytes.subarray(0, fits));
  const write = await upload.hold(driver);
  const refused: unknown = await write.write(bytes.slice(fits)).catch((reason: unknown) => reason);
  await write.drop();
  expect(refused).toMatchObject({ kind: 'request-invalid', message: expect.stringContaining('S3_PART_SIZE') });
  expect(await driver.commit(upload.place, fits)).toBe(true);
  expect(await driver.digestStaged(upload.place, fits, 'sha256')).toBe(digestOf('sha256', bytes.subarray(0, fits)));
});
