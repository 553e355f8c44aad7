import { afterAll, beforeAll } from 'bun:test';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { type ObjectStore, startMinio, stopObjectStores } from '../support/minio.ts';
import { openTwoNodes } from '../support/s3-nodes.ts';
import { cleanUp } from '../support/server.ts';
import { storageContract } from './storage.contract.ts';

let minio: ObjectStore;

beforeAll(async () => {
  minio = await startMinio({ tls: true });
}, TOOLS_WITHIN_MS);

afterAll(async () => {
  await stopObjectStores();
  await cleanUp();
});

storageContract('MinIO over https, its certificate in the CA file', async () => await openTwoNodes(minio));

storageContract(
  'MinIO over https, its certificate not verified',
  async () => await openTwoNodes(minio, { s3CaFile: undefined, s3InsecureSkipVerify: true }),
);
