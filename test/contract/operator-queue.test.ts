// An operator's command on a cluster whose Redis fails between opening and the request.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { ulid } from 'ulid';
import { readConfig } from '../../src/config.ts';
import { noCrash } from '../../src/storage/crash-points.ts';
import { openDataFolder } from '../../src/storage/filesystem/folder.ts';
import { openFolderReadOnly } from '../../src/storage/filesystem/folder-reader.ts';
import { openOperator } from '../../src/wiring/operator.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { type RedisServer, startRedis, stopRedis } from '../support/redis.ts';
import { cleanUp, temporaryFolder } from '../support/server.ts';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
}, TOOLS_WITHIN_MS);

afterAll(async () => {
  await stopRedis();
  await cleanUp();
});

test('a request that the job queue does not accept fails with the reason', async () => {
  const root = temporaryFolder('operator');
  const fatal = (reason: string): never => {
    throw new Error(reason);
  };
  const folder = await openDataFolder(root, { shared: true, uniqueName: ulid, now: Date.now, reach: noCrash, fatal });
  await folder.close();
  const config = readConfig({ STORAGE_PATH: root, REDIS_URL: server.url });
  const operator = await openOperator(config, await openFolderReadOnly(root), root);
  try {
    await server.cli('CONFIG', 'SET', 'maxmemory', '1');
    await expect(operator.collect(() => {})).rejects.toThrow(
      /^the job queue did not accept the request \(OOM .*\): check Redis$/,
    );
  } finally {
    await operator.close();
  }
});
