import { afterAll } from 'bun:test';
import { startMinio, stopObjectStores } from '../support/minio.ts';
import { openTwoNodes } from '../support/s3-nodes.ts';
import { cleanUp } from '../support/server.ts';
import { storageContract } from './storage.contract.ts';

afterAll(async () => {
  await stopObjectStores();
  await cleanUp();
});

storageContract('MinIO', async () => await openTwoNodes(await startMinio()));
