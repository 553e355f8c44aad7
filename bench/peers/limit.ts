// Limits to compare a registry with: servers that do only the necessary part of the same work.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { freePort, type Place } from '../place.ts';
import { POOL } from './marina.ts';
import { type Peer, ready } from './peer.ts';

const LIMITS = join(import.meta.dir, '..', 'limits');

/** Bare Bun.serve that always responds with the same bytes. */
export async function startConstant(place: Place, folder: string, bytes: number): Promise<Peer> {
  const address = `127.0.0.1:${freePort()}`;
  const log = join(folder, 'constant.log');
  const child = place.spawn([process.execPath, join(LIMITS, 'constant.ts'), address, String(bytes)], {}, log);
  await ready(child, `http://${address}/v2/`, log);
  return { address, data: folder, child };
}

/** Bare Bun.serve that writes an upload to a file and syncs it, without hashing. */
export async function startSink(place: Place, folder: string): Promise<Peer> {
  const address = `127.0.0.1:${freePort()}`;
  const log = join(folder, 'sink.log');
  const child = place.spawn([process.execPath, join(LIMITS, 'sink.ts'), address, folder], {}, log);
  await ready(child, `http://${address}/v2/`, log);
  return { address, data: folder, child };
}

/** Bare Bun.serve that sends one object of a store as `/blob`. @param url presigned */
export async function startPipe(place: Place, folder: string, url: string, bytes: number): Promise<Peer> {
  const address = `127.0.0.1:${freePort()}`;
  const log = join(folder, 'pipe.log');
  const child = place.spawn([process.execPath, join(LIMITS, 'pipe.ts'), address, url, String(bytes)], {}, log);
  await ready(child, `http://${address}/v2/`, log);
  return { address, data: folder, child };
}

/** nginx with sendfile, serving a folder. */
export async function startNginx(place: Place, binary: string, folder: string): Promise<Peer> {
  const address = `127.0.0.1:${freePort()}`;
  const log = join(folder, 'nginx.log');
  const config = join(folder, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/tmp;`,
  );
  writeFileSync(
    config,
    `worker_processes auto; daemon off; pid ${folder}/nginx.pid; error_log ${log};
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 256; }
http {
  ${temporary.join(' ')}
  access_log ${folder}/nginx-access.log;
  sendfile on; tcp_nopush on; default_type application/octet-stream;
  server {
    listen ${address};
    location = /v2/ { return 200; }
    location / { root ${folder}/files; }
  }
}
`,
  );
  const child = place.spawn([binary, '-c', config, '-p', folder, '-e', log], {}, log);
  await ready(child, `http://${address}/v2/`, log);
  return { address, data: join(folder, 'files'), child };
}

const syncedSchema = z.object({ count: z.number(), seconds: z.number() });

/** Only the durable part of pushing images: how many of them this disk and Bun manage per second. */
export async function syncedWrites(
  place: Place,
  repositories: number,
  clients: number,
  layerBytes: number,
  seconds: number,
) {
  const folder = place.folder('synced-writes');
  const numbers = [repositories, clients, layerBytes, seconds].map(String);
  // The same number of disk threads as Marina.
  const text = await place.call([process.execPath, join(LIMITS, 'synced-writes.ts'), folder, ...numbers], '', POOL);
  return syncedSchema.parse(JSON.parse(text));
}
