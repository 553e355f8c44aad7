// containerd's parallel fetch requests open-ended ranges (`bytes=N-`), reads its chunk of each and disconnects, by design, on every pull.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { ACCESS_KEY, type ObjectStore, SECRET_KEY, startMinio, stopObjectStores } from '../support/minio.ts';
import { digestOf, expectStatus, pushBlob, randomBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';

setDefaultTimeout(300_000);

const MIB = 1024 * 1024;
/** Many times the buffers of a connection, so that a body that is still being sent is noticed. */
const blob = randomBlob(48 * MIB);
const CHUNK = 4 * MIB;
const REPOSITORY = 'team/app';
const PULLS = 3;
/** A leak would leave a connection for each of the 36 dropped chunks. */
const KEPT_MORE = 8;

let objects: ObjectStore;

beforeAll(async () => {
  objects = await startMinio();
  await objects.makeBucket('registry-data');
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await cleanUp();
  await stopObjectStores();
}, 300_000);

function bucket(prefix: string, more: Readonly<Record<string, string>>): Promise<Server> {
  return startServer({
    ...{ STORAGE_DRIVER: 's3', S3_BUCKET: 'registry-data', S3_ENDPOINT: objects.endpoint, S3_FORCE_PATH_STYLE: 'true' },
    ...{ AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY, S3_PREFIX: prefix },
    ...more,
  });
}

/** Reads the first bytes of an open-ended range and disconnects. */
function takeChunk({ port }: Server, start: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let head = '';
    let length = 0;
    const path = `/v2/${REPOSITORY}/blobs/${blob.descriptor.digest}`;
    const socket = connect({ host: '127.0.0.1', port }, () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: site\r\nRange: bytes=${start}-\r\n\r\n`);
    });
    const take = (bytes: Buffer): void => {
      chunks.push(bytes);
      length += bytes.length;
      if (length < CHUNK) return;
      socket.destroy();
      resolve(Buffer.concat(chunks));
    };
    socket.on('error', reject);
    socket.on('end', () => resolve(Buffer.concat(chunks)));
    socket.on('data', (bytes: Buffer) => {
      if (head.includes('\r\n\r\n')) return take(bytes);
      head += bytes.toString('latin1');
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      if (!head.startsWith('HTTP/1.1 206')) return reject(new Error(head));
      take(Buffer.from(head.slice(end + 4), 'latin1'));
    });
  });
}

/** One pull like containerd's: all chunks at once, each over a separate connection that is dropped. */
async function pullInParallel(server: Server): Promise<void> {
  const starts = Array.from({ length: blob.bytes.length / CHUNK }, (_, n) => n * CHUNK);
  const taken = await Promise.all(starts.map((start) => takeChunk(server, start)));
  expect(taken.every(({ length }) => length > 0)).toBe(true);
}

interface Held {
  readonly sockets: number;
  readonly blobs: number;
}

/** The open files and connections of the server process. */
function heldBy({ process: { pid } }: Server): Held {
  const targets = readdirSync(`/proc/${pid}/fd`).map((name) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${name}`);
    } catch {
      // Closed since it was listed.
      return '';
    }
  });
  return {
    sockets: targets.filter((target) => target.startsWith('socket:')).length,
    blobs: targets.filter((target) => /\/(?:data|blobs)\/[^/]*\/?[0-9A-Z]{26}/.test(target)).length,
  };
}

/** What it holds when all requests of earlier pulls have ended. */
async function settledHeldBy(server: Server): Promise<Held> {
  let held: Held | undefined;
  await eventually(async () => {
    expect(unreadBodies()).toBe(0);
    const before = heldBy(server);
    await Bun.sleep(300);
    held = heldBy(server);
    expect(held).toEqual(before);
  });
  return held ?? heldBy(server);
}

async function metric(server: Server, pattern: RegExp): Promise<number> {
  const text = new TextDecoder().decode((await expectStatus(200, `${server.url}/metrics`)).bytes);
  return [...text.matchAll(pattern)].reduce((sum, [, count]) => sum + Number(count), 0);
}

const failures = (server: Server) => metric(server, /^marina_request_failures_total\{[^}]*\} (\d+)$/gm);
const storeFailures = (server: Server) =>
  metric(server, /^marina_storage_requests_total\{[^}]*outcome="fail[^}]*\} (\d+)$/gm);
const fills = (server: Server) => metric(server, /^marina_blob_cache_fills_total\{[^}]*\} (\d+)$/gm);

/** Log lines other than access lines with the status that the client saw. */
function troubleIn(server: Server, from: number): readonly string[] {
  return server
    .logs()
    .slice(from)
    .split('\n')
    .filter((line) => /"level":"?(?:40|50|60|warn|error|fatal)|failed|Error/.test(line));
}

/** Connections between a server and the bucket with unread bytes: bodies that were not cancelled keep them. */
function unreadBodies(): number {
  const port = Number(new URL(objects.endpoint).port);
  const portOf = (address = ''): number => Number.parseInt(address.split(':')[1] ?? '', 16);
  return ['tcp', 'tcp6']
    .flatMap((name) => readFileSync(`/proc/net/${name}`, 'utf8').trim().split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, remote, , queues = '']) => {
      const [unsent = '', unread = ''] = queues.split(':');
      return (portOf(local) === port && !/^0+$/.test(unsent)) || (portOf(remote) === port && !/^0+$/.test(unread));
    }).length;
}

async function expectUnnoticed(server: Server, pulls: () => Promise<void>): Promise<void> {
  // Connections that are kept alive, to the bucket and for the metrics, exist before.
  await pulls();
  await failures(server);
  const before = await settledHeldBy(server);
  const logged = server.logs().length;
  for (let n = 0; n < PULLS; n++) await pulls();
  await eventually(() => expect(unreadBodies()).toBe(0));
  await eventually(() => {
    const { sockets, blobs } = heldBy(server);
    expect(sockets).toBeLessThanOrEqual(before.sockets + KEPT_MORE);
    expect(blobs).toBe(before.blobs);
  });
  expect(troubleIn(server, logged)).toEqual([]);
  expect([await failures(server), await storeFailures(server)]).toEqual([0, 0]);
}

/** The next client gets the whole blob. */
async function expectWhole(server: Server): Promise<void> {
  const { bytes } = await expectStatus(200, `${server.url}/v2/${REPOSITORY}/blobs/${blob.descriptor.digest}`);
  expect(digestOf(bytes)).toBe(blob.descriptor.digest);
}

describe('ranges that clients drop half-way cause no errors and leave nothing open', () => {
  test('from a folder', async () => {
    const server = await startServer();
    await pushBlob(server.url, REPOSITORY, blob);
    await expectUnnoticed(server, () => pullInParallel(server));
    await expectWhole(server);
    expect(await server.stop()).toBe(0);
  });

  test('from a bucket: the store stops sending, too', async () => {
    const server = await bucket('streamed', { BLOB_CACHE_SIZE: '0' });
    await pushBlob(server.url, REPOSITORY, blob);
    await expectUnnoticed(server, () => pullInParallel(server));
    await expectWhole(server);
    expect(await server.stop()).toBe(0);
  });

  test("from a node's copy; a pull in many ranges counts once", async () => {
    const server = await bucket('copied', { BLOB_CACHE_PATH: join(temporaryFolder('copies'), 'cache') });
    await pushBlob(server.url, REPOSITORY, blob);
    await pullInParallel(server);
    // A fill would have started at once.
    await Bun.sleep(500);
    expect(await fills(server)).toBe(0);
    await pullInParallel(server);
    await eventually(async () => expect(await fills(server)).toBe(1));
    await expectUnnoticed(server, () => pullInParallel(server));
    await expectWhole(server);
    expect(await fills(server)).toBe(1);
    expect(await server.stop()).toBe(0);
  });
});
