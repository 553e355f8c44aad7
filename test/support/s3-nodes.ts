// Two drivers of one fresh bucket, like two nodes of a cluster.
import type { StorageDriver } from '../../src/storage/driver.ts';
import { openS3Store } from '../../src/storage/s3/open.ts';
import type { S3Configuration } from '../../src/storage/s3/settings.ts';
import { freshBucket, type ObjectStore, realPorts } from './minio.ts';

export interface TwoNodes {
  readonly driver: StorageDriver;
  readonly other: StorageDriver;
  readonly readsStaged: false;
  close(): Promise<void>;
}

export async function openTwoNodes(store: ObjectStore, changes: Partial<S3Configuration> = {}): Promise<TwoNodes> {
  const configuration = { ...(await freshBucket(store)), ...changes };
  const one = await openS3Store(configuration, realPorts());
  const two = await openS3Store(configuration, realPorts());
  return {
    driver: one.driver,
    other: two.driver,
    readsStaged: false,
    close: async () => {
      await one.close();
      await two.close();
    },
  };
}
