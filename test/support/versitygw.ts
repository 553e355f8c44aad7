// A real Versity gateway for a test: a second S3 server, over files in a temporary folder.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { tools } from './command.ts';
import { ACCESS_KEY, type ObjectStore, SECRET_KEY, startObjectStore } from './minio.ts';

export async function startVersitygw(): Promise<ObjectStore> {
  const [binary] = await tools('versitygw');
  return await startObjectStore(false, async (folder, port) => {
    const data = join(folder, 'data');
    mkdirSync(data);
    return {
      command: [binary, '--port', `127.0.0.1:${port}`, '--keep-alive', '--quiet', 'posix', data],
      env: { ROOT_ACCESS_KEY: ACCESS_KEY, ROOT_SECRET_KEY: SECRET_KEY, HOME: folder },
    };
  });
}
