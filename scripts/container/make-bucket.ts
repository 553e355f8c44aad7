// Makes the bucket of a new store, with the settings of a node: waits until the store answers, and is content with a bucket
// that is there. For trying things out: where a store is run in earnest, nodes have no right to make buckets.
import process from 'node:process';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { readConfig } from '../../src/config.ts';
import { readSettings } from '../../src/storage/s3/open.ts';

const ANSWERS_WITHIN_MS = 60_000;
const PAUSE_MS = 500;

const { bucket, endpoint, region, forcePathStyle, credentials } = readSettings(readConfig(process.env));
const client = new S3Client({
  region: region ?? 'us-east-1',
  forcePathStyle: forcePathStyle === true,
  ...(endpoint === undefined ? {} : { endpoint }),
  ...(credentials === undefined ? {} : { credentials }),
});
const deadline = Date.now() + ANSWERS_WITHIN_MS;
for (;;) {
  try {
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    console.info(`the bucket ${bucket} was made`);
    break;
  } catch (error) {
    const name = error instanceof Error ? error.name : '';
    if (name === 'BucketAlreadyOwnedByYou' || name === 'BucketAlreadyExists') break;
    if (Date.now() > deadline) {
      console.error(`marina: the bucket ${bucket} cannot be made at ${endpoint ?? 'S3'}: ${String(error)}`);
      process.exit(1);
    }
  }
  await Bun.sleep(PAUSE_MS);
}
