import { describe, expect, test } from 'bun:test';
import { openProjection } from '../../test/support/projections.ts';
import { A, ACTOR, B, bodyOf, C, CALLER, EXPIRY, openRegistry, text } from '../../test/support/registry.ts';
import { setTags } from '../../test/support/writers.ts';
import type { RepositoryName } from '../oci/names.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { snapshotKey } from '../storage/paths.ts';
import { handleWith, type JobPorts } from './handlers.ts';
import type { Job } from './job.ts';
import { foldForSnapshot } from './snapshot.ts';

const never = new AbortController().signal;
const stopped = AbortSignal.abort(new Error('told to stop'));

/** The handlers over a registry, and what they asked for. */
function open(changes: Partial<JobPorts> = {}) {
  const opened = openRegistry();
  const { driver, sessions, clock } = opened;
  const asked: Job[] = [];
  const run = handleWith({
    driver,
    sessions,
    fold: (repo) => foldForSnapshot(driver, repo),
    reapMultiparts: undefined,
    collect: async () => {},
    retain: async () => {},
    lookAhead: async () => {},
    sweepNotes: async () => {},
    now: clock.now,
    uploadExpiry: EXPIRY,
    enqueue: async (job) => asked.push(job) > 0,
    ...changes,
  });
  return { ...opened, run, asked };
}

describe('expire-uploads', () => {
  test('ends expired uploads, one in use in a later run', async () => {
    const { registry, sessions, driver, clock, run } = open();
    const pusher = { repo: A, caller: CALLER };
    const [idle, used] = await Promise.all([0, 1].map(() => registry.uploads.start(pusher, 'sha256')));
    if (idle === undefined || used === undefined) return expect.unreachable();
    for (const { id } of [idle, used]) await registry.uploads.append(id, pusher, bodyOf([text('x')]), undefined);
    const uploads = async (): Promise<string[]> => {
      const ids = new Set<string>();
      for await (const { key } of driver.list('uploads/')) ids.add(key.split('/')[1] ?? '');
      return [...ids];
    };
    const expire = (): Promise<void> => run({ kind: 'expire-uploads' }, never);
    clock.advance(EXPIRY);
    await expire();
    expect((await uploads()).sort()).toEqual([idle.id, used.id].sort());
    const lease = await sessions.lease(used.id, { repo: A, actor: ACTOR.id });
    if (typeof lease === 'string') return expect.unreachable();
    clock.advance(1);
    await expire();
    expect(await uploads()).toEqual([used.id]);
    await lease.release();
    await expire();
    expect(await uploads()).toEqual([]);
    expect(sessions.count()).toBe(0);
  });

  test('fails when it is cancelled', async () => {
    await expect(open().run({ kind: 'expire-uploads' }, stopped)).rejects.toThrow('told to stop');
  });
});

describe('reap-multiparts', () => {
  test('aborts uploads older than twice the expiry; does nothing on a store without multipart uploads', async () => {
    const times: number[] = [];
    const { run, clock } = open({ reapMultiparts: async (before) => times.push(before) });
    await run({ kind: 'reap-multiparts' }, never);
    expect(times).toEqual([clock.now() - 2 * EXPIRY]);
    await open().run({ kind: 'reap-multiparts' }, never);
  });
});

describe('sweep-snapshots', () => {
  async function swept(): Promise<ReturnType<typeof open>> {
    const driver = new MemoryDriver();
    const opened = open({ driver });
    const projection = openProjection(driver);
    const slots: readonly (readonly [RepositoryName, number])[] = [
      [A, 511],
      [B, 512],
      [C, 600],
    ];
    for (const [repo, count] of slots) {
      for (let slot = 0; slot < count; slot++) await projection.submit(repo, setTags(`t${slot}`));
    }
    // Two thirds of its log lie before its snapshot.
    await driver.create(snapshotKey(C, 400), new Uint8Array([1]));
    return opened;
  }

  test('enqueues each snapshot that is due, and no other', async () => {
    const { run, asked } = await swept();
    await run({ kind: 'sweep-snapshots' }, never);
    expect(asked).toEqual([{ kind: 'snapshot', repo: B }]);
  });

  test('fails when it is cancelled, or when no job could be enqueued', async () => {
    const { run, asked } = await swept();
    await expect(run({ kind: 'sweep-snapshots' }, stopped)).rejects.toThrow('told to stop');
    expect(asked).toEqual([]);
    const driver = new MemoryDriver();
    const projection = openProjection(driver);
    for (let slot = 0; slot < 512; slot++) await projection.submit(B, setTags(`t${slot}`));
    const refusing = open({ driver, enqueue: async () => false });
    await expect(refusing.run({ kind: 'sweep-snapshots' }, never)).rejects.toThrow('no job could be enqueued');
  });
});
