// The services of a cluster: one MinIO and one Redis for both registries. Each registry has its own bucket and its own database, so
// that they do not see each other's keys.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { type Child, freePort, type Place } from '../place.ts';
import { ready } from './peer.ts';

const USER = 'bench';
const PASSWORD = 'bench-secret';

export interface ServiceTools {
  minio: string;
  redis: string;
}

export interface Services {
  minio: Child;
  redis: Child;
  /** host:port */
  minioAddress: string;
  redisAddress: string;
  credentials: { user: string; password: string };
  /** Creates a bucket and returns the folder in which MinIO stores it. */
  bucket: (name: string) => string;
  /** The bench's own connection to Redis, used outside every timed part. */
  client: Redis;
  stop: () => Promise<void>;
}

export async function startServices(place: Place, tools: ServiceTools, folder: string): Promise<Services> {
  const data = join(folder, 'objects');
  mkdirSync(data);
  const minioAddress = `127.0.0.1:${freePort()}`;
  const minio = place.spawn(
    [tools.minio, 'server', '--quiet', '--address', minioAddress, '--console-address', `127.0.0.1:${freePort()}`, data],
    {
      MINIO_ROOT_USER: USER,
      MINIO_ROOT_PASSWORD: PASSWORD,
      MINIO_UPDATE: 'off',
      MINIO_BROWSER: 'off',
      MINIO_PROMETHEUS_AUTH_TYPE: 'public',
    },
    join(folder, 'minio.log'),
  );
  try {
    await ready(minio, `http://${minioAddress}/minio/health/live`, join(folder, 'minio.log'));
    const redis = await startRedis(place, tools.redis, folder);
    return {
      ...{ minio, minioAddress, credentials: { user: USER, password: PASSWORD } },
      ...redis,
      bucket: (name) => {
        // MinIO treats each folder in its data folder as a bucket.
        const path = join(data, name);
        mkdirSync(path);
        return path;
      },
      stop: async () => {
        redis.client.disconnect();
        await Promise.all([minio.stop(), redis.redis.stop()]);
      },
    };
  } catch (error) {
    await minio.stop();
    throw error;
  }
}

async function startRedis(place: Place, binary: string, folder: string) {
  const port = freePort();
  const redis = place.spawn(
    [binary, '--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder],
    {},
    join(folder, 'redis.log'),
  );
  const client = new Redis({ port, host: '127.0.0.1', retryStrategy: () => 20, maxRetriesPerRequest: null });
  // Connections are refused until the server listens. The client retries them.
  client.on('error', () => {});
  await client.ping();
  return { redis, client, redisAddress: `127.0.0.1:${port}` };
}
