// One upload over several nodes that share a store and sessions: the real domain, without HTTP.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { digestOf } from '../../src/oci/digest.ts';
import { RegistryError } from '../../src/oci/errors.ts';
import type { Digest, UploadId } from '../../src/oci/names.ts';
import type { SessionStore } from '../../src/registry/sessions.ts';
import { UploadBody } from '../../src/registry/upload-body.ts';
import type { StorageDriver } from '../../src/storage/driver.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { openSharedFolder, openTemporaryFolder } from '../support/data-folder.ts';
import { TestClock } from '../support/deterministic.ts';
import { ForgetfulDriver } from '../support/forgetful.ts';
import { type RedisServer, startRedis, stopRedis } from '../support/redis.ts';
import { A, bodyOf, brokenBody, CALLER, EXPIRY, type OpenRegistry, openRegistry } from '../support/registry.ts';
import { cleanUp } from '../support/server.ts';
import { logSessions, redisSessions, type SharedSessions } from '../support/shared-sessions.ts';

const NODES = 3;
const pusher = { repo: A, caller: CALLER };
let server: RedisServer;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(async () => {
  await stopRedis();
  await cleanUp();
});

const SESSIONS = [
  ['Redis', (...where: Parameters<typeof logSessions>) => redisSessions(server, ...where)],
  ['a log in the store', logSessions],
] as const;
const DRIVERS: readonly [string, () => Promise<{ driver: StorageDriver; close(): Promise<void> }>][] = [
  ['memory', async () => ({ driver: new MemoryDriver(), close: async () => {} })],
  [
    'a store that only digests what one request wrote',
    async () => ({ driver: new ForgetfulDriver(), close: async () => {} }),
  ],
  ['a shared filesystem', openTemporaryFolder],
];

interface Cluster {
  readonly driver: StorageDriver;
  readonly clock: TestClock;
  readonly shared: SharedSessions;
  readonly nodes: readonly OpenRegistry[];
}

async function openCluster(driver: StorageDriver, sessions: (typeof SESSIONS)[number][1]): Promise<Cluster> {
  const clock = new TestClock();
  const shared = sessions({ driver, clock, expiry: EXPIRY });
  const nodes: OpenRegistry[] = [];
  for (let number = 1; number <= NODES; number++) {
    nodes.push(openRegistry({ driver, clock, number, sessions: await shared.node() }));
  }
  return { driver, clock, shared, nodes };
}

/** The handling of the next bytes of an upload. */
const pieces = fc.array(
  fc.record({
    node: fc.nat({ max: NODES - 1 }),
    size: fc.oneof(fc.nat({ max: 300 }), fc.constantFrom(0, 1, 65_537, 300_001)),
    how: fc.oneof(
      { weight: 4, arbitrary: fc.constant('whole' as const) },
      { weight: 1, arbitrary: fc.constant('breaks off' as const) },
      { weight: 1, arbitrary: fc.constant('node dies' as const) },
      { weight: 2, arbitrary: fc.constant('node hangs' as const) },
    ),
  }),
  { minLength: 1, maxLength: 6 },
);

async function outcomeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'done';
  } catch (error) {
    if (error instanceof RegistryError) return error.kind;
    throw error;
  }
}

/** A body that yields its first bytes, waits for the gate, then yields the others. */
function hanging(first: Uint8Array, gate: Promise<void>, then: Uint8Array): { body: UploadBody; begun: Promise<void> } {
  const begun = Promise.withResolvers<void>();
  async function* source(): AsyncIterable<Uint8Array> {
    yield first.slice();
    begun.resolve();
    await gate;
    yield then.slice();
  }
  return { body: new UploadBody(source(), undefined), begun: begun.promise };
}

async function readBack({ driver, clock, shared }: Cluster, digest: Digest): Promise<Uint8Array> {
  // A new node, which knows only what is stored.
  const fresh = openRegistry({ driver, clock, number: 9, sessions: await shared.node() });
  const { size, content } = await fresh.registry.blobs.get(A, digest, CALLER);
  if (content.kind === 'bytes') return content.bytes;
  if (content.kind === 'file') return await Bun.file(content.path).bytes();
  if (content.kind === 'stream') return await new Response(content.open({ start: 0, end: size })).bytes();
  throw new Error('this store does not redirect');
}

for (const [driverName, openDriver] of DRIVERS) {
  for (const [sessionsName, sessions] of SESSIONS) {
    describe(`uploads over nodes on ${driverName}, sessions in ${sessionsName}`, () => {
      let cluster: Cluster;
      let close: () => Promise<void>;
      beforeAll(async () => {
        const opened = await openDriver();
        cluster = await openCluster(opened.driver, sessions);
        close = opened.close;
      });
      afterAll(async () => {
        await cluster.shared.close();
        await close();
      });
      const uploadsOf = (node: number) => (cluster.nodes[node] as OpenRegistry).registry.uploads;
      const offsetOf = async (id: UploadId, node: number) => (await uploadsOf(node).status(id, pusher)).offset;

      /** Sends the rest from the current offset, like clients that got 409 or lost their connection. */
      async function send(id: UploadId, node: number, bytes: Uint8Array, end: number): Promise<void> {
        const at = await offsetOf(id, node);
        if (at >= end) return;
        const { offset } = await uploadsOf(node).append(id, pusher, bodyOf([bytes.subarray(at, end)]), {
          start: at,
          end: end - 1,
        });
        expect(offset).toBe(end);
      }

      test('that switch nodes at any offset, break off, crash and hang still yield the blob that was sent', async () => {
        await fc.assert(
          fc.asyncProperty(pieces, fc.nat({ max: NODES - 1 }), fc.boolean(), async (some, last, sha512) => {
            const bytes = new Uint8Array(randomBytes(some.reduce((sum, { size }) => sum + size, 0)));
            const { id } = await uploadsOf(last).start(pusher, 'sha256');
            const hung: { open: () => void; outcome: Promise<string> }[] = [];
            let dead: number | undefined;
            const alive = (node: number): number => (node === dead ? (node + 1) % NODES : node);
            let end = 0;
            for (const { node: wanted, size, how } of some) {
              const at = end;
              end += size;
              const node = alive(wanted);
              const next = alive((node + 1) % NODES);
              if (how === 'breaks off' && size > 1) {
                const half = bytes.subarray(at, at + Math.floor(size / 2));
                expect(await outcomeOf(uploadsOf(node).append(id, pusher, brokenBody([half]), undefined))).toBe(
                  'upload-interrupted',
                );
                expect(await offsetOf(id, next)).toBe(at + half.length);
                await send(id, next, bytes, end);
              } else if ((how === 'node hangs' || (how === 'node dies' && dead === undefined)) && size > 0 && at > 0) {
                // The late bytes are different ones, and must not be in the blob.
                const gate = Promise.withResolvers<void>();
                const { body, begun } = hanging(randomBytes(size), gate.promise, randomBytes(size * 2 + 7));
                const outcome = outcomeOf(uploadsOf(node).append(id, pusher, body, undefined));
                await Promise.race([begun, outcome]);
                cluster.clock.advance(cluster.shared.lapse + 1);
                hung.push({ open: gate.resolve, outcome });
                // While the next holder writes, or after it.
                if (how === 'node hangs') {
                  const middle = Promise.withResolvers<void>();
                  const taking = hanging(bytes.subarray(at, at + 1), middle.promise, bytes.subarray(at + 1, end));
                  const taken = outcomeOf(uploadsOf(next).append(id, pusher, taking.body, undefined));
                  await Promise.race([taking.begun, taken]);
                  gate.resolve();
                  expect(await outcome).toBe('upload-busy');
                  middle.resolve();
                  expect(await taken).toBe('done');
                } else {
                  dead = node;
                  await send(id, next, bytes, end);
                }
              } else {
                await send(id, node, bytes, end);
              }
              expect(await offsetOf(id, alive((node + 2) % NODES))).toBe(end);
            }
            const digest = digestOf(sha512 ? 'sha512' : 'sha256', bytes);
            await uploadsOf(alive(last)).close(id, pusher, digest, bodyOf([]), undefined);
            for (const { open } of hung) open();
            for (const { outcome } of hung) expect(['upload-busy', 'upload-unknown']).toContain(await outcome);
            expect(Buffer.compare(await readBack(cluster, digest), bytes)).toBe(0);
            // A log in the store has no record of an upload without bytes: its id alone identifies it.
            for (let node = 0; bytes.length > 0 && node < NODES; node++) {
              expect(await outcomeOf(uploadsOf(node).status(id, pusher))).toBe('upload-unknown');
            }
          }),
          { numRuns: 25 },
        );
      });

      test('are closed once: a closing request that hangs loses to the one that took over its lease', async () => {
        const bytes = new Uint8Array(randomBytes(700_000));
        const digest = digestOf('sha256', bytes);
        const { id } = await uploadsOf(0).start(pusher, 'sha256');
        await send(id, 1, bytes, 1000);
        const gate = Promise.withResolvers<void>();
        const { body, begun } = hanging(bytes.subarray(1000, 5000), gate.promise, bytes.subarray(5000));
        const slow = outcomeOf(uploadsOf(0).close(id, pusher, digest, body, undefined));
        await begun;
        const rest = () => bodyOf([bytes.subarray(1000)]);
        expect(await outcomeOf(uploadsOf(1).append(id, pusher, rest(), undefined))).toBe('upload-busy');
        expect(await outcomeOf(uploadsOf(2).close(id, pusher, digest, rest(), undefined))).toBe('upload-busy');
        cluster.clock.advance(cluster.shared.lapse + 1);
        expect(await outcomeOf(uploadsOf(2).close(id, pusher, digest, rest(), undefined))).toBe('done');
        gate.resolve();
        expect(['upload-busy', 'upload-unknown']).toContain(await slow);
        expect(Buffer.compare(await readBack(cluster, digest), bytes)).toBe(0);
      });

      test('with a wrong digest link nothing, whichever nodes received the bytes', async () => {
        const bytes = new Uint8Array(randomBytes(1000));
        const wrong = digestOf('sha256', randomBytes(10));
        const { id } = await uploadsOf(0).start(pusher, 'sha256');
        for (const [index, end] of [300, 1000].entries()) await send(id, index, bytes, end);
        const before = await (cluster.nodes[0] as OpenRegistry).dataKeys();
        expect(await outcomeOf(uploadsOf(2).close(id, pusher, wrong, bodyOf([]), undefined))).toBe('digest-mismatch');
        expect(await (cluster.nodes[0] as OpenRegistry).dataKeys()).toEqual(before);
        for (const node of cluster.nodes) expect(await node.linkOf(A, wrong)).toBeUndefined();
        // If the bytes had to be committed first, object and session are removed; otherwise the upload can continue.
        if (driverName.includes('only digests')) {
          expect(await outcomeOf(uploadsOf(1).status(id, pusher))).toBe('upload-unknown');
        } else {
          await uploadsOf(1).close(id, pusher, digestOf('sha256', bytes), bodyOf([]), undefined);
        }
      });
    });
  }
}

test('bytes whose save failed are not hashed in place of those that another node received at the same offsets', async () => {
  const folder = await openSharedFolder();
  const clock = new TestClock();
  const shared = redisSessions(server, { driver: folder.driver, clock, expiry: EXPIRY });
  const [one, two] = [await shared.node(), await shared.node()];
  let saves = true;
  const failing: SessionStore = {
    create: (...args) => one.create(...args),
    load: (...args) => one.load(...args),
    expire: (...args) => one.expire(...args),
    count: () => one.count(),
    async lease(...args) {
      const lease = await one.lease(...args);
      if (typeof lease === 'string') return lease;
      return {
        ...{
          session: lease.session,
          takenOver: lease.takenOver,
          end: () => lease.end(),
          release: () => lease.release(),
        },
        save: async (next) => {
          if (!saves) throw new RegistryError('unavailable', 'Redis did not answer');
          await lease.save(next);
        },
      };
    },
  };
  const first = openRegistry({ driver: folder.driver, clock, number: 1, sessions: failing });
  const second = openRegistry({ driver: folder.other, clock, number: 2, sessions: two });
  const [uploads, others] = [first.registry.uploads, second.registry.uploads];
  const [begun, never, taken, rest] = [3, 500, 500, 100].map((size) => new Uint8Array(randomBytes(size)));
  if (!begun || !never || !taken || !rest) throw new Error('there must be four');
  const { id } = await uploads.start(pusher, 'sha256');
  await uploads.append(id, pusher, bodyOf([begun]), undefined);
  saves = false;
  expect(await outcomeOf(uploads.append(id, pusher, bodyOf([never]), undefined))).toBe('unavailable');
  saves = true;
  await others.append(id, pusher, bodyOf([taken]), { start: 3, end: 502 });
  await uploads.append(id, pusher, bodyOf([rest]), { start: 503, end: 602 });
  const mixed = digestOf('sha256', Buffer.concat([begun, never, rest]));
  expect(await outcomeOf(others.close(id, pusher, mixed, bodyOf([]), undefined))).toBe('digest-mismatch');
  expect(await first.linkOf(A, mixed)).toBeUndefined();
  await others.close(id, pusher, digestOf('sha256', Buffer.concat([begun, taken, rest])), bodyOf([]), undefined);
  await shared.close();
  await folder.close();
});

test('a closing request whose session Redis loses in the meantime is acknowledged, and its blob is linked', async () => {
  const cluster = await openCluster(new MemoryDriver(), (where) => redisSessions(server, where));
  const { uploads } = (cluster.nodes[0] as OpenRegistry).registry;
  const bytes = new Uint8Array(randomBytes(1000));
  async function* source(): AsyncIterable<Uint8Array> {
    yield bytes.slice();
    await server.cli('FLUSHALL');
  }
  const { id } = await uploads.start(pusher, 'sha256');
  const digest = digestOf('sha256', bytes);
  expect(await outcomeOf(uploads.close(id, pusher, digest, new UploadBody(source(), bytes.length), undefined))).toBe(
    'done',
  );
  expect(Buffer.compare(await readBack(cluster, digest), bytes)).toBe(0);
  expect(await outcomeOf(uploads.status(id, pusher))).toBe('upload-unknown');
  await cluster.shared.close();
});

test('a single-request upload whose session Redis loses in the meantime is unavailable, and may be retried', async () => {
  const cluster = await openCluster(new MemoryDriver(), (where) => redisSessions(server, where));
  const { uploads } = (cluster.nodes[0] as OpenRegistry).registry;
  const bytes = new Uint8Array(randomBytes(1000));
  async function* source(): AsyncIterable<Uint8Array> {
    yield bytes.slice();
    await server.cli('FLUSHALL');
  }
  // A body of unknown length is staged under its own session.
  const pushed = uploads.monolithic(pusher, digestOf('sha256', bytes), new UploadBody(source(), undefined));
  expect(await outcomeOf(pushed)).toBe('unavailable');
  await cluster.shared.close();
});
