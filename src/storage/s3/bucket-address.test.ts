import { expect, test } from 'bun:test';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { bucketAddress } from './bucket-address.ts';

const KEYS = { accessKeyId: 'id/with/slashes', secretAccessKey: 'secret' };

async function addressOf(bucket: string, config: S3ClientConfig): Promise<string | undefined> {
  const client = new S3Client({ credentials: KEYS, ...config });
  const address = await bucketAddress(client, bucket);
  client.destroy();
  if (address === undefined) return undefined;
  const { protocol, hostname, port, basePath, region } = address;
  return `${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${basePath} ${region}`;
}

test.each<[string, string, S3ClientConfig, string | undefined]>([
  ['AWS', 'images', { region: 'eu-central-1' }, 'https://images.s3.eu-central-1.amazonaws.com/ eu-central-1'],
  ['AWS in China', 'images', { region: 'cn-north-1' }, 'https://images.s3.cn-north-1.amazonaws.com.cn/ cn-north-1'],
  ['a name with dots', 'my.images', { region: 'us-east-1' }, 'https://s3.us-east-1.amazonaws.com/my.images/ us-east-1'],
  [
    'FIPS',
    'images',
    { region: 'us-east-1', useFipsEndpoint: true },
    'https://images.s3-fips.us-east-1.amazonaws.com/ us-east-1',
  ],
  [
    'path style',
    'images',
    { region: 'us-east-1', endpoint: 'http://minio:9000', forcePathStyle: true },
    'http://minio:9000/images/ us-east-1',
  ],
  [
    'virtual hosts of another service',
    'images',
    { region: 'fr-par', endpoint: 'https://s3.fr-par.scw.cloud' },
    'https://images.s3.fr-par.scw.cloud/ fr-par',
  ],
  [
    'an endpoint with a path',
    'images',
    { region: 'x', endpoint: 'https://store.example/s3', forcePathStyle: true },
    'https://store.example/s3/images/ x',
  ],
  [
    'an endpoint that is an address',
    'images',
    { region: 'x', endpoint: 'http://[::1]:9000', forcePathStyle: true },
    'http://[::1]:9000/images/ x',
  ],
  ['an S3 Express bucket, for which only the SDK signs', 'images--use1-az4--x-s3', { region: 'us-east-1' }, undefined],
])('of %s', async (_, bucket, config, expected) => {
  expect(await addressOf(bucket, config)).toBe(expected);
});

test('without credentials there is none', async () => {
  const none = () => Promise.reject(new Error('nobody says who we are'));
  await expect(addressOf('images', { region: 'x', credentials: none })).rejects.toThrow('nobody says who we are');
});
