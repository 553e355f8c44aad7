import { afterEach, expect, test } from 'bun:test';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { FetchHttpHandler } from '@smithy/fetch-http-handler';
import { LeanClient } from './lean-client.ts';

const OBJECT = { Bucket: 'bucket', Key: "a key/with 'all' (sorts) of*signs+é" };

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

/** A store that answers everything with 200, and the requests that it got. */
function store(credentials: () => Promise<Credentials>) {
  const seen: { readonly method: string; readonly path: string; readonly headers: Headers }[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch: ({ method, url, headers }) => {
      seen.push({ method, path: new URL(url).pathname, headers });
      return method === 'GET' && url.includes('list-type')
        ? new Response('<ListBucketResult/>')
        : new Response('bytes', { headers: { ETag: '"tag"' } });
    },
  });
  const sdk = new S3Client({
    ...{ endpoint: `http://127.0.0.1:${server.port}`, region: 'us-east-1', forcePathStyle: true, credentials },
    requestHandler: new FetchHttpHandler({ keepAlive: false }),
  });
  const client = new LeanClient(sdk, OBJECT.Bucket, fetch);
  open.push(async () => {
    client.destroy();
    await server.stop(true);
  });
  /** Whose keys each request was signed with. */
  const signers = (): (string | undefined)[] =>
    seen.map(({ headers }) => /Credential=([^/]+)\//.exec(headers.get('authorization') ?? '')?.[1]);
  return { client, seen, signers };
}

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of open.splice(0)) await stop();
});

const always = (credentials: Credentials) => () => Promise.resolve(credentials);

test('whole objects are written and read without the SDK from the first request on, everything else with it', async () => {
  const { client, seen } = store(always({ accessKeyId: 'id', secretAccessKey: 'secret' }));
  await client.send(new PutObjectCommand({ ...OBJECT, Body: new Uint8Array([1]), IfNoneMatch: '*' }));
  expect((await client.send(new HeadObjectCommand(OBJECT))).ContentLength).toBe(5);
  const { Body } = await client.send(new GetObjectCommand(OBJECT));
  expect(await Body?.transformToByteArray()).toEqual(new TextEncoder().encode('bytes'));
  await client.send(new ListObjectsV2Command({ Bucket: OBJECT.Bucket }));
  expect(seen.map(({ method, headers }) => [method, /aws-sdk/.test(headers.get('user-agent') ?? '')])).toEqual([
    ['PUT', false],
    ['HEAD', false],
    ['GET', false],
    ['GET', true],
  ]);
  const [put] = seen;
  expect(put?.path).toBe('/bucket/a%20key/with%20%27all%27%20%28sorts%29%20of%2Asigns%2B%C3%A9');
  expect(put?.headers.get('if-none-match')).toBe('*');
  expect(put?.headers.get('x-amz-content-sha256')).toBe('UNSIGNED-PAYLOAD');
});

test('expired credentials are renewed, and their session tokens are sent', async () => {
  let asked = 0;
  const { client, seen, signers } = store(async () => {
    asked++;
    // The SDK renews what expires within five minutes.
    const expiration = new Date(Date.now() + (asked < 5 ? 1_000 : 3_600_000));
    return { accessKeyId: `id${asked}`, secretAccessKey: 'secret', sessionToken: `token${asked}`, expiration };
  });
  for (let n = 0; n < 6; n++) await client.send(new HeadObjectCommand(OBJECT));
  const tokens = seen.map(({ headers }) => headers.get('x-amz-security-token'));
  expect(tokens).toEqual(signers().map((id) => id?.replace('id', 'token') ?? null));
  expect(new Set(signers()).size).toBeGreaterThan(1);
  expect(signers().at(-1)).toBe(`id${asked}`);
  expect(asked).toBe(5);
});

test('credentials that become available later are used', async () => {
  let known = false;
  const { client, signers } = store(async () => {
    if (!known) throw Object.assign(new Error('no role yet'), { name: 'CredentialsProviderError' });
    return { accessKeyId: 'late', secretAccessKey: 'secret' };
  });
  await expect(client.send(new HeadObjectCommand(OBJECT))).rejects.toThrow('no role yet');
  known = true;
  await client.send(new HeadObjectCommand(OBJECT));
  expect(signers()).toEqual(['late']);
});
