// How often a thread calls the owner of the data folder. docs/scaling.md has these counts: the owner's time bounds the writes of a process.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { ulid } from 'ulid';
import { digestOf } from '../../src/oci/digest.ts';
import { FileSessions } from '../../src/registry/file-sessions.ts';
import { SessionIds } from '../../src/registry/session-ids.ts';
import { SharedMarks } from '../../src/sessions/shared-marks.ts';
import { noCrash } from '../../src/storage/crash-points.ts';
import { ThreadDriver } from '../../src/storage/filesystem/threads/driver.ts';
import { STORE_CALLS, type StoreCalls } from '../../src/storage/filesystem/threads/protocol.ts';
import { remote } from '../../src/threads/calls.ts';
import { type OpenOwner, openOwner } from '../support/folder-owner.ts';
import { A, bodyOf, CALLER, EXPIRY, type OpenRegistry, openRegistry } from '../support/registry.ts';

const KIB = 1024;
const NOTHING = bodyOf([]);

let owner: OpenOwner;
let open: OpenRegistry;
const calls: (keyof StoreCalls)[] = [];

beforeAll(async () => {
  owner = await openOwner(1);
  const [port] = owner.ports;
  if (port === undefined) throw new Error('the owner has no port');
  const service = remote<StoreCalls>(port, STORE_CALLS);
  const counted = new Proxy(service, {
    get:
      (_, name: keyof StoreCalls) =>
      (...args: never[]) => {
        // A thread asks once for each of the folders of data objects.
        if (!(name === 'ensureFolder' && String(args[0]).startsWith('data/'))) calls.push(name);
        return Reflect.apply(service[name], service, args);
      },
  });
  const fatal = (reason: string, cause: unknown): never => {
    throw new Error(reason, { cause });
  };
  const driver = new ThreadDriver({
    ...{ owner: counted, folder: await service.open(), uniqueName: () => ulid(), reach: noCrash, fatal },
  });
  const marks = new SharedMarks(SharedMarks.allocate(100));
  const sessions = new FileSessions({ driver, ids: new SessionIds('store'), now: Date.now, expiry: EXPIRY, marks });
  open = openRegistry({ driver, sessions });
});
afterAll(() => owner.close());

/** What the owner is called for during some work. */
async function during(work: () => Promise<unknown>): Promise<readonly string[]> {
  calls.length = 0;
  await work();
  return [...calls];
}

function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length));
}

test('a small blob is one call, and the first of a repository one more for its marker', async () => {
  expect(await during(() => open.push(A, randomBytes(4 * KIB)))).toEqual(['publish', 'publish']);
  expect(await during(() => open.push(A, randomBytes(4 * KIB)))).toEqual(['publish']);
});

test('an upload session costs a call only once bytes are staged', async () => {
  const { uploads } = open.registry;
  const pusher = { repo: A, caller: CALLER };
  const small = randomBytes(4 * KIB);
  const { id } = await uploads.start(pusher, 'sha256');
  const closing = during(() => uploads.close(id, pusher, digestOf('sha256', small), bodyOf([small]), undefined));
  expect(await closing).toEqual(['publish']);

  const [first, second] = [randomBytes(300 * KIB), randomBytes(300 * KIB)];
  const staged = await uploads.start(pusher, 'sha256');
  const append = (bytes: Uint8Array) => during(() => uploads.append(staged.id, pusher, bodyOf([bytes]), undefined));
  expect(await append(first)).toEqual(['ensureFolder', 'put']);
  expect(await append(second)).toEqual(['put']);
  const digest = digestOf('sha256', Buffer.concat([first, second]));
  const ending = during(() => uploads.close(staged.id, pusher, digest, NOTHING, undefined));
  expect(await ending).toEqual(['publish', 'delete', 'deleteAll']);
});

test('a blob in one request costs no more calls than a small one up to 256 KiB, and is staged beyond', async () => {
  expect(await during(() => open.push(A, randomBytes(200 * KIB)))).toEqual(['publish']);
  const calls = await during(() => open.push(A, randomBytes(300 * KIB)));
  expect(calls).toEqual(['ensureFolder', 'put', 'publish', 'delete', 'deleteAll']);
});
