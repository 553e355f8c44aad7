// The settings that name a bucket and its credentials, each tried with a real process on a real MinIO.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { attempt, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import {
  ACCESS_KEY,
  type ObjectStore,
  plainClient,
  SECRET_KEY,
  startMinio,
  stopObjectStores,
} from '../support/minio.ts';
import { expectStatus, image, pushImage } from '../support/oci.ts';
import { cleanUp, startServer, temporaryFolder } from '../support/server.ts';

const REGION = 'eu-central-2';
const BUCKET = 'marina';
const KEYS = { AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY };
/** Test machines have no role, and asking for one takes seconds. */
const NO_ROLE = { AWS_EC2_METADATA_DISABLED: 'true' };

let objects: ObjectStore;
let bucket: Readonly<Record<string, string>>;

beforeAll(async () => {
  await tools('curl');
  objects = await startMinio({ region: REGION });
  await objects.makeBucket(BUCKET);
  bucket = {
    ...{ STORAGE_DRIVER: 's3', S3_BUCKET: BUCKET, S3_ENDPOINT: objects.endpoint, S3_FORCE_PATH_STYLE: 'true' },
    ...{ S3_REGION: REGION, ...NO_ROLE },
  };
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await cleanUp();
  await stopObjectStores();
});

/** Starts a node with these settings, and pushes and pulls through it. */
async function expectServes(settings: Readonly<Record<string, string>>): Promise<void> {
  const { url, stop } = await startServer({ ...bucket, ...settings });
  const pushed = image();
  await pushImage(url, 'team/app', pushed, 'v1');
  expect((await expectStatus(200, `${url}/v2/team/app/manifests/v1`)).bytes).toEqual(pushed.bytes);
  expect(await stop()).toBe(0);
}

/** The output of a process that refuses to start. It must be one line. */
async function refusalOf(settings: Readonly<Record<string, string>>): Promise<string> {
  const home = temporaryFolder('home');
  const { code, stdout, stderr } = await attempt([join('node_modules', '.bin', 'bun'), 'src/main.ts'], {
    env: { ...bucket, PORT: '0', HOME: home, ...settings },
  });
  expect([code, stdout.length]).toEqual([1, 0]);
  expect(stderr.trimEnd()).not.toContain('\n');
  return stderr;
}

/** A file as `aws configure` writes it. */
function credentialsFile(profile: string, key: string, secret: string): string {
  const path = join(temporaryFolder('aws'), 'credentials');
  writeFileSync(path, `[${profile}]\naws_access_key_id = ${key}\naws_secret_access_key = ${secret}\n`);
  return path;
}

/** Temporary credentials of MinIO, valid for an hour. */
async function temporaryCredentials(): Promise<Readonly<Record<string, string>>> {
  const request = ['-d', 'Action=AssumeRole&Version=2011-06-15&DurationSeconds=3600', `${objects.endpoint}/`];
  const signed = ['--aws-sigv4', `aws:amz:${REGION}:sts`, '--user', `${ACCESS_KEY}:${SECRET_KEY}`];
  const answer = await run(['curl', '-sSf', ...signed, ...request]);
  const field = (name: string): string => new RegExp(`<${name}>([^<]+)<`).exec(answer)?.[1] ?? '';
  return {
    AWS_ACCESS_KEY_ID: field('AccessKeyId'),
    AWS_SECRET_ACCESS_KEY: field('SecretAccessKey'),
    AWS_SESSION_TOKEN: field('SessionToken'),
  };
}

describe('a process authenticates', () => {
  test('with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, below S3_PREFIX', async () => {
    await expectServes({ ...KEYS, S3_PREFIX: 'some/where' });
    const client = plainClient(objects.endpoint, REGION);
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: BUCKET }));
    client.destroy();
    expect(Contents.length).toBeGreaterThan(5);
    expect(Contents.filter(({ Key }) => Key?.startsWith('some/where/') !== true)).toEqual([]);
  });

  test('with temporary credentials and AWS_SESSION_TOKEN', async () => {
    const session = await temporaryCredentials();
    await expectServes(session);
    expect(await refusalOf({ ...session, AWS_SESSION_TOKEN: 'expired' })).toMatch(
      /refuses the credentials \(InvalidToken(Id)?\): check AWS_SESSION_TOKEN/,
    );
  });

  test("with AWS's default chain, such as a profile of a shared file", async () => {
    const file = credentialsFile('registry', ACCESS_KEY, SECRET_KEY);
    await expectServes({ AWS_SHARED_CREDENTIALS_FILE: file, AWS_PROFILE: 'registry' });
  });
});

describe('a process refuses to start with one clear line', () => {
  test('if no credentials are found', async () => {
    expect(await refusalOf({})).toStartWith('marina: there are no credentials for S3: set AWS_ACCESS_KEY_ID');
  });

  test('if the credentials are wrong, from any source', async () => {
    const file = credentialsFile('default', ACCESS_KEY, 'wrong');
    const words = `marina: ${objects.endpoint} refuses the credentials (SignatureDoesNotMatch)`;
    expect(await refusalOf({ ...KEYS, AWS_SECRET_ACCESS_KEY: 'wrong' })).toStartWith(words);
    expect(await refusalOf({ AWS_SHARED_CREDENTIALS_FILE: file })).toStartWith(words);
  });

  test('if the bucket is missing', async () => {
    expect(await refusalOf({ ...KEYS, S3_BUCKET: 'elsewhere' })).toStartWith(
      'marina: the bucket elsewhere does not exist',
    );
  });

  test('if S3_REGION is wrong', async () => {
    expect(await refusalOf({ ...KEYS, S3_REGION: 'us-west-1' })).toMatch(
      /^marina: the bucket marina is in another region/,
    );
  });
});
