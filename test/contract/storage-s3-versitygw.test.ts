import { afterAll, expect, test } from 'bun:test';
import { S3Driver } from '../../src/storage/s3/driver.ts';
import { readSettings } from '../../src/storage/s3/open.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { freshBucket, realPorts, stopObjectStores } from '../support/minio.ts';
import { openTwoNodes } from '../support/s3-nodes.ts';
import { cleanUp } from '../support/server.ts';
import { startVersitygw } from '../support/versitygw.ts';
import { KeptUpload, random } from './storage/store.ts';
import { storageContract } from './storage.contract.ts';

afterAll(async () => {
  await stopObjectStores();
  await cleanUp();
});

storageContract('the Versity gateway', async () => {
  const nodes = await openTwoNodes(await startVersitygw());
  return { ...nodes, replacesLongNames: false };
});

// MinIO lists multipart uploads by their whole key only.
test(
  'abandoned multipart uploads are aborted; newer ones are not',
  async () => {
    const settings = readSettings(await freshBucket(await startVersitygw()));
    const driver = new S3Driver({ ...settings, pageSize: 2 }, realPorts());
    const bytes = random(6 * 1024 ** 2);
    const uploads = Array.from({ length: 5 }, () => new KeptUpload());
    for (const upload of uploads) await upload.add(driver, bytes);
    const [first, ...others] = uploads;
    if (first === undefined) return expect.unreachable();
    expect(await driver.commit(first.place, bytes.length)).toBe(true);
    const { signal } = new AbortController();
    expect(await driver.reapMultiparts(Date.now() - 60_000, signal)).toBe(0);
    expect(await driver.reapMultiparts(Date.now() + 60_000, AbortSignal.abort())).toBe(0);
    expect(await driver.reapMultiparts(Date.now() + 60_000, signal)).toBe(4);
    for (const { place } of others) expect(await driver.commit(place, bytes.length)).toBe(false);
    expect(await driver.commit(first.place, bytes.length)).toBe(true);
    await driver.close();
  },
  TOOLS_WITHIN_MS,
);
