// How the S3 driver handles responses that are lost, late or wrong.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { connect, createServer, type Socket } from 'node:net';
import { digestOf } from '../../src/oci/digest.ts';
import { dataKey } from '../../src/storage/paths.ts';
import { S3Driver } from '../../src/storage/s3/driver.ts';
import { readSettings } from '../../src/storage/s3/open.ts';
import type { S3Configuration, S3Ports } from '../../src/storage/s3/settings.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { Random } from '../support/drill/random.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import {
  configurationOf,
  freshBucket,
  hurried,
  type ObjectStore,
  realPorts,
  startMinio,
  stopObjectStores,
} from '../support/minio.ts';
import { errorBody, type ProxiedRequest, type S3Proxy, startS3Proxy } from '../support/s3-proxy.ts';
import { cleanUp } from '../support/server.ts';
import { freshPlace, KeptUpload, keysOf, random, sentBytes, text, textOf } from './storage/store.ts';

const MIB = 1024 * 1024;

let minio: ObjectStore;
let proxy: S3Proxy;
let bucket: S3Configuration;
const drivers: S3Driver[] = [];

function driverOf(
  changes: Partial<S3Configuration> & { pageSize?: number } = {},
  ports: S3Ports = realPorts(),
): S3Driver {
  const { pageSize, ...settings } = changes;
  const options = readSettings({ ...bucket, s3Endpoint: proxy.endpoint, ...settings });
  const driver = new S3Driver({ ...options, ...(pageSize === undefined ? {} : { pageSize }) }, ports);
  drivers.push(driver);
  return driver;
}

beforeAll(async () => {
  minio = await startMinio();
  bucket = await freshBucket(minio);
  proxy = await startS3Proxy(minio.endpoint);
}, TOOLS_WITHIN_MS);

afterEach(async () => {
  proxy.interfere = () => 'pass';
  for (const driver of drivers.splice(0)) await driver.close();
});

afterAll(async () => {
  await proxy.stop();
  await stopObjectStores();
  await cleanUp();
});

/** A proxy in front of a store that breaks each connection after `after` bytes of responses. */
async function startBreaking({ hostname, port }: URL, after: number) {
  let broken = 0;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const store = connect(Number(port), hostname);
    let passed = 0;
    client.pipe(store);
    store.on('data', (bytes: Buffer) => {
      client.write(bytes.subarray(0, after - passed));
      passed += bytes.length;
      if (passed < after) return;
      broken++;
      store.destroy();
      client.destroySoon();
    });
    for (const [socket, other] of [
      [client, store],
      [store, client],
    ] as const) {
      open.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        open.delete(socket);
        if (socket === client) other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    endpoint: `http://localhost:${address.port}`,
    broken: () => broken,
    stop: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

const isComplete = ({ method, url }: ProxiedRequest): boolean => method === 'POST' && url.searchParams.has('uploadId');
const isPart = ({ method, url }: ProxiedRequest): boolean => method === 'PUT' && url.searchParams.has('partNumber');
const isPut = ({ method, url }: ProxiedRequest): boolean =>
  method === 'PUT' && url.search.replace(/\?x-id=\w+$/, '') === '';

describe('create', () => {
  test('whose answer was lost is decided by the object that is stored', async () => {
    const driver = driverOf();
    proxy.interfere = (request) => (isPut(request) && request.before === 0 ? 'lose' : 'pass');
    expect(await driver.create('faults/mine', text('x'))).toBe('created');
    expect(await textOf(driver, 'faults/mine')).toBe('x');
    await driver.put('faults/theirs', text('x'));
    proxy.interfere = (request) => (isPut(request) && request.before === 1 ? 'lose' : 'pass');
    // The bytes are equal, but the object is not ours.
    expect(await driver.create('faults/theirs', text('x'))).toBe('taken');
  });

  test('that Bun repeats after a broken keep-alive connection counts as created', async () => {
    const breaking = await FaultProxy.open(Number(new URL(minio.endpoint).port), new Random('unused'));
    const driver = driverOf({ s3Endpoint: `http://localhost:${breaking.port}` });
    for (let key = 0; key < 5; key++) {
      expect(await driver.create(`warm/${key}`, text('x'))).toBe('created');
      breaking.loseNext = 1;
      expect(await driver.create(`broken/${key}`, text('x'))).toBe('created');
      expect(await driver.create(`broken/${key}`, text('x'))).toBe('taken');
    }
    expect(breaking.lost).toBe(5);
    await breaking.close();
  });

  test('is retried while another conditional write is in progress, or the store is busy', async () => {
    const driver = driverOf();
    const answers = [
      errorBody('ConditionalRequestConflict', 409),
      errorBody('SlowDown', 503),
      errorBody('InternalError', 500),
    ];
    proxy.interfere = (request) => (isPut(request) ? (answers.shift() ?? 'pass') : 'pass');
    expect(await driver.create('faults/busy', text('x'))).toBe('created');
    expect(answers).toEqual([]);
  });

  test('without an answer by its deadline reports that its outcome is unknown', async () => {
    const driver = driverOf({}, hurried());
    proxy.interfere = (request) => (isPut(request) ? errorBody('SlowDown', 503) : 'pass');
    const error: unknown = await driver.create('faults/never', text('x')).catch((reason: unknown) => reason);
    // The deadline itself may have ended the last attempt.
    expect(error).toMatchObject({
      name: 'NoAnswer',
      cause: { name: expect.stringMatching(/^(SlowDown|AttemptTooSlow)$/) },
    });
    expect(await driver.read('faults/never')).toBeUndefined();
  });
});

describe('CompleteMultipartUpload', () => {
  async function staged(driver: S3Driver, size: number): Promise<{ upload: KeptUpload; bytes: Uint8Array }> {
    const upload = new KeptUpload();
    const bytes = random(size);
    await upload.add(driver, bytes);
    return { upload, bytes };
  }

  test('that answers 200 with an error is retried', async () => {
    const driver = driverOf();
    const { upload, bytes } = await staged(driver, 6 * MIB);
    proxy.interfere = (request) =>
      isComplete(request) && request.before === 0 ? errorBody('InternalError', 200) : 'pass';
    expect(await driver.commit(upload.place, bytes.length)).toBe(true);
    expect(proxy.seen.filter((name) => name.startsWith('POST') && name.includes(upload.place.inc))).toHaveLength(3);
    expect(await driver.digestStaged(upload.place, bytes.length, 'sha256')).toBe(digestOf('sha256', bytes));
  });

  test('that answers 200 with an error until the deadline creates no object', async () => {
    const driver = driverOf({}, hurried());
    const { upload, bytes } = await staged(driver, 6 * MIB);
    let tries = 0;
    proxy.interfere = (request) => {
      if (!isComplete(request)) return 'pass';
      tries++;
      return errorBody('InternalError', 200);
    };
    const error: unknown = await driver.commit(upload.place, bytes.length).catch((reason: unknown) => reason);
    // The last attempt may have failed by the deadline, or by a connection that timed out on a busy machine.
    expect(error).toMatchObject({ name: 'NoAnswer', cause: expect.any(Error) });
    expect(tries).toBeGreaterThan(1);
    expect(await driver.head(dataKey(upload.place.inc))).toBeUndefined();
  });

  test('whose answer was lost is found to have succeeded', async () => {
    const driver = driverOf();
    const { upload, bytes } = await staged(driver, 6 * MIB);
    proxy.interfere = (request) => (isComplete(request) && request.before === 0 ? 'lose' : 'pass');
    expect(await driver.commit(upload.place, bytes.length)).toBe(true);
    expect(await driver.digestStaged(upload.place, bytes.length, 'sha256')).toBe(digestOf('sha256', bytes));
  });

  test('of parts that differ from the recorded ones creates no object', async () => {
    const driver = driverOf();
    const { upload, bytes } = await staged(driver, 6 * MIB);
    const changed = (upload.place.state ?? '').replace(/"etag":"(\\"|)[0-9a-f]{8}/, '"etag":"$100000000');
    expect(changed).not.toBe(upload.place.state ?? '');
    expect(await driver.commit({ ...upload.place, state: changed }, bytes.length)).toBe(false);
    expect(await driver.head(dataKey(upload.place.inc))).toBeUndefined();
    expect(await driver.commit(upload.place, bytes.length)).toBe(true);
  });
});

describe('parts', () => {
  test('are resent when the store is busy or the connection breaks', async () => {
    const driver = driverOf();
    proxy.interfere = (request) => {
      if (!isPart(request) || request.before > 1) return 'pass';
      return request.before === 0 ? errorBody('SlowDown', 503) : 'lose';
    };
    const upload = new KeptUpload();
    const bytes = random(11 * MIB);
    expect(await upload.add(driver, bytes)).toMatchObject({ size: bytes.length, digest: digestOf('sha256', bytes) });
    expect(await driver.commit(upload.place, bytes.length)).toBe(true);
    expect(await driver.digestStaged(upload.place, bytes.length, 'sha256')).toBe(digestOf('sha256', bytes));
  });

  test('that fail end the write; the parts before them count', async () => {
    const driver = driverOf();
    proxy.interfere = (request) =>
      isPart(request) && request.url.searchParams.get('partNumber') === '2' ? errorBody('AccessDenied', 403) : 'pass';
    const upload = new KeptUpload();
    const bytes = random(10 * MIB);
    const write = await upload.hold(driver);
    await write.write(bytes.slice());
    const progress = await write.settle();
    await write.release();
    expect(progress).toMatchObject({ size: 5 * MIB, failure: { name: 'AccessDenied' } });
    upload.save(progress);
    proxy.interfere = () => 'pass';
    await upload.add(driver, bytes.subarray(5 * MIB));
    expect(await driver.commit(upload.place, bytes.length)).toBe(true);
    expect(await driver.digestStaged(upload.place, bytes.length, 'sha256')).toBe(digestOf('sha256', bytes));
  });

  test('of a write whose state cannot be saved are not sent', async () => {
    const driver = driverOf();
    const place = freshPlace();
    const deposed = new Error('another request has this session');
    const write = await driver.stage(place, 0, 'sha256', () => Promise.reject(deposed));
    expect(await write.write(random(6 * MIB)).catch((reason: unknown) => reason)).toBe(deposed);
    await write.drop();
    expect(proxy.seen.filter((name) => name.includes(place.inc) && name.includes('partNumber'))).toEqual([]);
  });
});

describe('bytes that are corrupted in transit', () => {
  /** Flips a bit of the selected bodies in transit; the headers, including the checksum, are unchanged. */
  function damage(isSelected: (request: ProxiedRequest) => boolean, times: number): void {
    let left = times;
    proxy.interfere = async (request) => {
      if (!isSelected(request) || left-- <= 0) return 'pass';
      const { method, url, headers } = request;
      const body = request.body.slice();
      body[body.length >> 1] = (body[body.length >> 1] ?? 0) ^ 1;
      const answer = await fetch(minio.endpoint + url.pathname + url.search, { method, headers, body });
      expect(answer.status).toBe(400);
      return answer;
    };
  }

  test('are refused by the store, and resent', async () => {
    const driver = driverOf();
    damage(isPut, 2);
    expect(await driver.create('faults/damaged', text('the original'))).toBe('created');
    expect(await textOf(driver, 'faults/damaged')).toBe('the original');
    damage(isPart, 2);
    const upload = new KeptUpload();
    const bytes = random(6 * MIB);
    expect(await upload.add(driver, bytes)).toMatchObject({ size: bytes.length, digest: digestOf('sha256', bytes) });
    expect(await driver.commit(upload.place, bytes.length)).toBe(true);
    expect(await driver.digestStaged(upload.place, bytes.length, 'sha256')).toBe(digestOf('sha256', bytes));
  });
});

describe('the buffer', () => {
  test('makes uploads wait, but never fail, beside many that wait for their clients', async () => {
    const driver = driverOf({ uploadBuffer: 10 * MIB });
    const [slow, fast] = [random(4 * MIB), random(7 * MIB)];
    // More slow uploads than the buffer holds, each with most of a part and nothing more to send for now.
    const uploads = Array.from({ length: 8 }, () => new KeptUpload());
    const holds = [];
    let maxBuffered = 0;
    for (const upload of uploads) {
      const hold = await upload.hold(driver);
      await hold.write(slow.slice());
      maxBuffered = Math.max(maxBuffered, driver.buffered.bytes);
      holds.push({ upload, hold });
    }
    const quick = new KeptUpload();
    expect(await quick.add(driver, fast)).toMatchObject({ digest: digestOf('sha256', fast) });
    const whole = Buffer.concat([slow, fast]);
    await Promise.all(
      holds.map(async ({ upload, hold }) => {
        for (let at = 0; at < fast.length; at += MIB) {
          await hold.write(fast.slice(at, at + MIB));
          maxBuffered = Math.max(maxBuffered, driver.buffered.bytes);
        }
        const progress = await hold.settle();
        await hold.release();
        upload.save(progress);
        expect(progress).toMatchObject({ size: whole.length, digest: digestOf('sha256', whole) });
        expect(await driver.commit(upload.place, whole.length)).toBe(true);
        expect(await driver.digestStaged(upload.place, whole.length, 'sha256')).toBe(digestOf('sha256', whole));
      }),
    );
    expect(maxBuffered).toBeLessThanOrEqual(10 * MIB);
    expect(driver.buffered).toEqual({ bytes: 0, waiting: 0 });
  });
});

describe('a stream', () => {
  test('that breaks is resumed where it ended', async () => {
    const driver = driverOf();
    const bytes = random(MIB);
    await driver.put('faults/long', bytes);
    const object = await driver.open('faults/long');
    if (object === undefined) return expect.unreachable();
    proxy.interfere = ({ method, before }) => {
      if (method !== 'GET' || before > 0) return 'pass';
      const half = bytes.slice(0, MIB / 2);
      // Like a store whose connection breaks in the middle of the body.
      return new Response(half, { status: 206, headers: { 'Content-Range': `bytes 0-${MIB - 1}/${MIB}` } });
    };
    expect(Buffer.compare(await sentBytes(object), bytes)).toBe(0);
  });

  test('whose connections break repeatedly is complete, also for a reader that reuses its buffers', async () => {
    const driver = driverOf();
    const bytes = random(8 * MIB);
    await driver.put('faults/torn', bytes);
    const breaking = await startBreaking(new URL(minio.endpoint), MIB);
    const far = driverOf({ s3Endpoint: breaking.endpoint });
    const object = await far.open('faults/torn');
    if (object?.body.kind !== 'stream') return expect.unreachable();
    const hash = new Bun.CryptoHasher('sha256');
    for await (const chunk of object.body.open({ start: 0, end: object.size }, 'lent')) hash.update(chunk);
    expect(`sha256:${hash.digest('hex')}`).toBe(digestOf('sha256', bytes));
    expect(breaking.broken()).toBeGreaterThan(4);
    breaking.stop();
  });

  test('that stalls or is cancelled does not block others', async () => {
    const driver = driverOf({ s3Endpoint: minio.endpoint });
    await driver.put('faults/big', new Uint8Array(16 * MIB));
    const object = await driver.open('faults/big');
    if (object?.body.kind !== 'stream') return expect.unreachable();
    const { body, size } = object;
    const readers = Array.from({ length: 300 }, () => body.open({ start: 0, end: size }).getReader());
    await Promise.all(readers.map((reader) => reader.read()));
    // A request that waits for one of them fails by its own deadline.
    expect(await driver.create('faults/meanwhile', text('x'))).toBe('created');
    await Promise.all(readers.map((reader) => reader.cancel()));
    expect(await textOf(driver, 'faults/meanwhile')).toBe('x');
  });
});

describe('lists', () => {
  test('are read to the end, page by page', async () => {
    const driver = driverOf({ pageSize: 3 });
    const keys = Array.from({ length: 11 }, (_, index) => `pages/${String(index).padStart(2, '0')}`);
    for (const key of keys) await driver.put(key, text('x'));
    expect(await keysOf(driver, 'pages/')).toEqual(keys);
    expect(await keysOf(driver, 'pages/', keys[4])).toEqual(keys.slice(5));
    expect(proxy.seen.filter((name) => name.includes('continuation-token'))).not.toEqual([]);
  });
});

test('presigned URLs use the redirect endpoint and lead to the object', async () => {
  const driver = driverOf({ s3RedirectEndpoint: minio.endpoint.replace('localhost', '127.0.0.1') });
  await driver.put('presigned/a b+c', text('hello'));
  const url = await driver.presign('presigned/a b+c', { expires: 60_000, headers: { contentType: 'text/x-marina' } });
  expect(url).toStartWith(minio.endpoint.replace('localhost', '127.0.0.1'));
  const answer = await fetch(url);
  expect({ status: answer.status, type: answer.headers.get('content-type'), body: await answer.text() }).toEqual({
    status: 200,
    type: 'text/x-marina',
    body: 'hello',
  });
  expect((await fetch(configurationOf(minio.endpoint, 'ready').s3Endpoint + new URL(url).pathname)).status).toBe(403);
});

test('requests are counted by operation: one write for a small object, two for a blob of one part', async () => {
  const counts = new Map<string, number>();
  const driver = driverOf(
    {},
    realPorts((operation) => counts.set(operation, (counts.get(operation) ?? 0) + 1)),
  );
  await driver.put('counted', text('x'));
  expect([...counts]).toEqual([['PutObject', 1]]);
  counts.clear();
  const upload = new KeptUpload();
  await upload.add(driver, random(MIB));
  expect(await driver.commit(upload.place, MIB)).toBe(true);
  expect(Object.fromEntries(counts)).toEqual({ PutObject: 2, GetObject: 1, DeleteObject: 1 });
});
