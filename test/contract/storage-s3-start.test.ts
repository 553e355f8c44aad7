// When the S3 driver refuses to start, and the messages.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { openS3Store } from '../../src/storage/s3/open.ts';
import type { S3Configuration, S3Ports } from '../../src/storage/s3/settings.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import {
  freshBucket,
  type ObjectStore,
  plainClient,
  realPorts,
  startMinio,
  stopObjectStores,
} from '../support/minio.ts';
import { type Interference, type ProxiedRequest, type S3Proxy, startS3Proxy } from '../support/s3-proxy.ts';
import { cleanUp, freePort } from '../support/server.ts';

let plain: ObjectStore;
let secure: ObjectStore;
let careless: S3Proxy;

beforeAll(async () => {
  plain = await startMinio();
  secure = await startMinio({ tls: true });
  careless = await startS3Proxy(plain.endpoint);
  careless.interfere = ignoreCondition;
}, TOOLS_WITHIN_MS);

afterAll(async () => {
  await careless.stop();
  await stopObjectStores();
  await cleanUp();
});

/** Executes a conditional PUT without its condition. The header is signed, so it cannot simply be removed. */
async function ignoreCondition({ method, url, headers, body }: ProxiedRequest): Promise<Interference> {
  if (method !== 'PUT' || !headers.has('if-none-match')) return 'pass';
  const [, bucket = '', ...key] = decodeURIComponent(url.pathname).split('/');
  const client = plainClient(plain.endpoint);
  const { ETag = '' } = await client.send(new PutObjectCommand({ Bucket: bucket, Key: key.join('/'), Body: body }));
  client.destroy();
  return new Response(null, { status: 200, headers: { ETag } });
}

/** A clock that reaches each deadline at once. */
function hurried(): S3Ports {
  const ports = realPorts();
  let time = Date.now();
  return {
    ...ports,
    now: () => {
      time += 500;
      return time;
    },
  };
}

async function refusalOf(configuration: S3Configuration, ports: S3Ports = realPorts()): Promise<string> {
  try {
    const { close } = await openS3Store(configuration, ports);
    await close();
    return 'none';
  } catch (error) {
    if (error instanceof Error && error.name === 'StoreRefused') return error.message;
    throw error;
  }
}

describe('a store is opened', () => {
  test('by any number of nodes as the same store', async () => {
    const bucket = await freshBucket(plain);
    const stores = await Promise.all(Array.from({ length: 4 }, () => openS3Store(bucket, realPorts())));
    expect(new Set(stores.map(({ store }) => store)).size).toBe(1);
    for (const { close } of stores) await close();
  });

  test('separately from one under another prefix', async () => {
    const bucket = await freshBucket(plain);
    const one = await openS3Store(bucket, realPorts());
    const two = await openS3Store({ ...bucket, s3Prefix: '/other/' }, realPorts());
    expect(one.store).not.toBe(two.store);
    for (const { close } of [one, two]) await close();
  });
});

describe('a start is refused in one line', () => {
  test.each<[string, (bucket: S3Configuration) => Partial<S3Configuration>, RegExp]>([
    ['without a bucket', () => ({ s3Bucket: undefined }), /^S3_BUCKET is not set/],
    ['if the bucket is missing', () => ({ s3Bucket: 'no-such-bucket' }), /the bucket no-such-bucket does not exist/],
    ['if the bucket name is invalid', () => ({ s3Bucket: 'NO' }), /S3_BUCKET=NO|does not exist|cannot be used/],
    [
      'with a wrong secret',
      () => ({ awsSecretAccessKey: 'wrong' }),
      /refuses the credentials \(SignatureDoesNotMatch\)/,
    ],
    ['with a wrong key', () => ({ awsAccessKeyId: 'wrong' }), /refuses the credentials \(InvalidAccessKeyId\)/],
    ['with half of the credentials', () => ({ awsAccessKeyId: undefined }), /are set together or not at all/],
    ['with parts smaller than S3 allows', () => ({ s3PartSize: 1024 }), /S3_PART_SIZE=1024/],
    ['if a CA file is missing', () => ({ s3CaFile: '/no/such/file' }), /S3_CA_FILE=\/no\/such\/file cannot be read/],
    [
      'if nothing listens',
      () => ({ s3Endpoint: `http://localhost:${freePort()}` }),
      /cannot be reached .*ECONNREFUSED/,
    ],
    ['if the host does not exist', () => ({ s3Endpoint: 'http://store.invalid' }), /cannot be reached/],
    [
      'if the store speaks https and the endpoint says http',
      () => ({ s3Endpoint: secure.endpoint.replace('https', 'http') }),
      /cannot be used/,
    ],
    [
      'if the store speaks http and the endpoint says https',
      () => ({ s3Endpoint: plain.endpoint.replace('http', 'https') }),
      /cannot be reached/,
    ],
  ])('%s', async (_, changes, reason) => {
    const bucket = await freshBucket(plain);
    const refusal = await refusalOf({ ...bucket, ...changes(bucket) }, hurried());
    expect(refusal).toMatch(reason);
    expect(refusal).not.toContain('\n');
    expect(refusal).not.toContain(bucket.awsSecretAccessKey ?? '');
  });

  test('if the certificate is not trusted, or does not match', async () => {
    const bucket = await freshBucket(secure);
    expect(await refusalOf({ ...bucket, s3CaFile: undefined })).toMatch(/is not trusted .*set S3_CA_FILE/);
    expect(await refusalOf({ ...bucket, s3CaFile: undefined, s3InsecureSkipVerify: true })).toBe('none');
    expect(await refusalOf(bucket)).toBe('none');
    const file = join(secure.folder, 'nonsense.pem');
    writeFileSync(file, 'nonsense');
    expect(await refusalOf({ ...bucket, s3CaFile: file })).toMatch(/holds no certificate in PEM form/);
  });

  test('if the store ignores If-None-Match', async () => {
    const bucket = await freshBucket(plain);
    expect(await refusalOf({ ...bucket, s3Endpoint: careless.endpoint })).toMatch(
      /^the store cannot hold a log, \d+ of 32 writers created the same object: it lacks conditional writes \(PutObject with If-None-Match: \*\); use .* MinIO/,
    );
    expect(await refusalOf(bucket)).toBe('none');
  });
});
