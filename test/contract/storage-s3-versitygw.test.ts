import { afterAll } from 'bun:test';
import { stopObjectStores } from '../support/minio.ts';
import { openTwoNodes } from '../support/s3-nodes.ts';
import { cleanUp } from '../support/server.ts';
import { startVersitygw } from '../support/versitygw.ts';
import { storageContract } from './storage.contract.ts';

afterAll(async () => {
  await stopObjectStores();
  await cleanUp();
});

storageContract('the Versity gateway', async () => {
  const nodes = await openTwoNodes(await startVersitygw());
  return { ...nodes, replacesLongNames: false };
});
