// Whichever operation of its store a replica ends at, what it has is a part of the primary's history with all its bytes, and the next
// process completes it.
import { beforeAll, describe, expect, test } from 'bun:test';
import { RobotsLog } from '../../src/access/robots/log.ts';
import type { RobotName } from '../../src/access/robots/robot.ts';
import { hashSecret, newSecret } from '../../src/access/robots/secret.ts';
import { decodeNote } from '../../src/feed/notes/events.ts';
import { foldLog } from '../../src/journal/log.ts';
import { OCI_INDEX } from '../../src/oci/media-types.ts';
import type { Incarnation, RepositoryName } from '../../src/oci/names.ts';
import { lagOf } from '../../src/replica/lag.ts';
import type { ReplicaMark } from '../../src/replica/mark.ts';
import { SourceAway } from '../../src/replica/source-errors.ts';
import { verifyReplica } from '../../src/replica/verify.ts';
import { noCrash } from '../../src/storage/crash-points.ts';
import type { Key } from '../../src/storage/driver.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { dataKey, finalKey, isCreatedOnce, noteKey, slotKey } from '../../src/storage/paths.ts';
import { TestClock } from '../support/deterministic.ts';
import { A, B, C, CALLER, openRegistry, tag, text } from '../support/registry.ts';
import { EndingDriver, follow, INSTANCE, note, type Parts, STORE, sourceOver } from './copying.ts';

type Objects = Map<Key, Uint8Array>;

const REPOSITORIES = [A, B, C];
const OTHER = '01BX5ZZKBKACTAV9WEVGEMMVS0' as Incarnation;
const clock = new TestClock();
const primary: Objects = new Map();
const driver = new MemoryDriver(primary);
const source = sourceOver(driver, clock);
/** Bytes that a collection of the primary has deleted. */
const collected = 'collected';

beforeAll(async () => {
  const { registry, push, projection, newIncarnation, linkOf } = openRegistry({ driver, clock });
  const noteAll = (): Promise<void> => note(driver, projection, REPOSITORIES, clock);
  const putIndex = (repo: RepositoryName, name: string, ...tags: string[]): Promise<unknown> => {
    const bytes = text(
      JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], annotations: { name } }),
    );
    const pushed = { bytes, contentType: OCI_INDEX, digest: undefined, tags: tags.map(tag) };
    return registry.pushManifest(repo, pushed, CALLER);
  };
  const gone = await push(A, text(collected));
  const inc = await linkOf(A, gone);
  await push(A, text('small'));
  await push(A, new Uint8Array(100_000).fill(7));
  await putIndex(A, 'first', 'v1', 'latest');
  await noteAll();
  await push(B, text('small'));
  await putIndex(B, 'second', 'v1');
  await registry.deleteBlob(A, gone, CALLER);
  await noteAll();
  await putIndex(A, 'third', 'latest');
  await registry.deleteTag(A, tag('v1'), undefined, CALLER);
  await putIndex(C, 'fourth');
  await noteAll();
  if (inc === undefined) throw new Error('the blob is not linked');
  await driver.delete([dataKey(inc)]);
  await driver.create(finalKey(newIncarnation()), text(`${inc}\n`));
  const robots = new RobotsLog({
    ...{ driver, now: clock.now, sleep: clock.sleep, newId: newIncarnation, node: 'primary', reach: noCrash },
    snapshotFailed: () => {},
  });
  for (const name of ['ci', 'deployer']) {
    const secret = hashSecret(STORE, name as RobotName, newSecret());
    await robots.change(name as RobotName, { kind: 'create', secret }, 'operator:0');
  }
  source.robots = robots.view.seq;
});

/** What is wrong with a replica's store, whenever it is looked at. */
async function faultsOf(replica: Objects): Promise<string[]> {
  const faults: string[] = [];
  for (const [key, bytes] of replica) {
    if (!isCreatedOnce(key) || key.includes('/_snap/')) continue;
    const there = primary.get(key);
    if (there === undefined || Buffer.compare(there, bytes) !== 0) faults.push(`${key} is not that of the primary`);
  }
  const reader = new MemoryDriver(replica);
  const heads = new Map<RepositoryName, number>();
  for (const repo of REPOSITORIES) {
    const { state } = await foldLog(reader, repo);
    heads.set(repo, state.seq);
    if (replica.has(slotKey(repo, state.seq + 2))) faults.push(`the log of ${repo} has a gap after slot ${state.seq}`);
    for (const inc of linkedIn(state)) {
      const there = primary.get(dataKey(inc));
      if (there !== undefined && Buffer.compare(there, replica.get(dataKey(inc)) ?? new Uint8Array()) !== 0)
        faults.push(`${repo} links ${inc}, whose bytes are not here`);
    }
  }
  for (let seq = 1; ; seq++) {
    const bytes = replica.get(noteKey(seq));
    if (bytes === undefined) break;
    const decoded = decodeNote(bytes);
    if ('problem' in decoded) throw new Error(decoded.problem);
    for (const event of decoded.batch.events) {
      if (event.type === 'log.grew' && (heads.get(event.repo) ?? 0) < event.to)
        faults.push(`note ${seq} names slot ${event.to} of ${event.repo}, which is not here`);
    }
  }
  return faults;
}

function linkedIn(state: Awaited<ReturnType<typeof foldLog>>['state']): Incarnation[] {
  return [...state.blobs.values(), ...state.manifests.values()].map(({ inc }) => inc);
}

/** What the two must have in common in the end. */
function truth(objects: Objects): string[] {
  return [...objects.keys()].filter((key) => isCreatedOnce(key) && !key.includes('/_snap/')).sort();
}

/** Ends a replica at each operation, before and after it. @returns the faults that were seen, and how many operations there were */
async function endEverywhere(parts: () => Parts): Promise<{ faults: Set<string>; operations: number }> {
  const faults = new Set<string>();
  for (let operation = 1; ; operation++) {
    let isOver = false;
    for (const when of ['before', 'after'] as const) {
      const replica: Objects = new Map();
      const ending = new EndingDriver(replica, operation, when);
      await follow(ending, source, parts());
      for (const fault of await faultsOf(replica)) faults.add(fault);
      if (ending.operations < operation) {
        isOver = true;
        break;
      }
      const { failure } = await follow(new EndingDriver(replica), source, parts());
      if (failure !== undefined) faults.add(failure.message);
      for (const fault of await faultsOf(replica)) faults.add(fault);
    }
    if (isOver) return { faults, operations: operation - 1 };
  }
}

describe('a replica that ends at any operation of its store', () => {
  test('has a part of the history of its primary with all bytes, and the next process completes it', async () => {
    const { faults, operations } = await endEverywhere(() => ({}));
    expect([...faults]).toEqual([]);
    expect(operations).toBeGreaterThan(20);
    const replica: Objects = new Map();
    await follow(new EndingDriver(replica), source);
    expect(truth(replica)).toEqual(truth(primary));
    // Following again writes nothing.
    const again = new EndingDriver(replica);
    await follow(again, source);
    expect(again.operations).toBe(0);
  });

  test('is found to be wrong if it creates slots out of order', async () => {
    const { faults } = await endEverywhere(() => ({
      replayer: (right, store) => ({
        replay: async (repo, slots) => {
          for (const { batch, bytes } of slots.toReversed()) await store.create(slotKey(repo, batch.seq), bytes);
          await right.replay(repo, slots);
        },
      }),
    }));
    expect([...faults].filter((fault) => fault.includes('has a gap'))).not.toEqual([]);
  });

  test('is found to be wrong if it creates slots before it has their bytes', async () => {
    const { faults } = await endEverywhere(() => {
      let late = async (): Promise<void> => {};
      return {
        bytes: (right) => ({
          copy: async (wanted, signal) => {
            const all = [...wanted];
            late = async () => void (await right.copy(all, signal));
            return [];
          },
        }),
        replayer: (right) => ({
          replay: async (repo, slots) => {
            await right.replay(repo, slots);
            await late();
          },
        }),
      };
    });
    expect([...faults].filter((fault) => fault.includes('whose bytes are not here'))).not.toEqual([]);
  });

  test('is found to be wrong if it creates notes before the slots that they name', async () => {
    const { faults } = await endEverywhere(() => {
      let late = async (): Promise<void> => {};
      return {
        logs: (right) => ({
          copy: async (targets, signal) => {
            await late();
            late = () => right.copy(targets, signal);
          },
        }),
      };
    });
    expect([...faults].filter((fault) => fault.includes('which is not here'))).not.toEqual([]);
  });
});

describe('the lag of a replica', () => {
  const mark: ReplicaMark = { v: 1, source: 'https://primary.example', lineage: [], since: '2030-01-01T00:00:00.000Z' };

  test('counts the changes, bytes and seconds that it lacks', async () => {
    const replica: Objects = new Map();
    const now = Date.UTC(2030, 0, 1) + 90_000;
    const empty = await lagOf(new MemoryDriver(replica), source, mark, now);
    expect(empty).toMatchObject({ note: 0, repositories: 3, seconds: 90, isMore: false, problem: undefined });
    expect(empty.changes).toBeGreaterThan(10);
    expect(empty.bytes).toBeGreaterThan(100_000);
    // Ended after it had the bytes of the first slots.
    await follow(new EndingDriver(replica, 12), source);
    const some = await lagOf(new MemoryDriver(replica), source, mark, now);
    expect(some.bytes).toBeLessThan(empty.bytes);
    await follow(new EndingDriver(replica), source);
    const none = await lagOf(new MemoryDriver(replica), source, mark, now);
    expect(none).toMatchObject({ note: 3, repositories: 0, changes: 0, bytes: 0, seconds: 0 });
  });

  test('is unknown while the source does not answer', async () => {
    const storeLog = (): Promise<never> => Promise.reject(new SourceAway('no answer'));
    const lag = await lagOf(new MemoryDriver(new Map()), { ...source, storeLog }, mark, clock.now());
    expect(lag).toMatchObject({ problem: 'no answer', changes: 0 });
  });

  test('verify tells equal logs from those that are behind, and from different ones', async () => {
    const replica: Objects = new Map();
    const kinds = async (): Promise<string[]> => {
      const found: string[] = [];
      for await (const { log, kind } of verifyReplica(new MemoryDriver(replica), source)) found.push(`${log} ${kind}`);
      return found.sort();
    };
    const all = [...REPOSITORIES, 'notes', 'robots'];
    expect(await kinds()).toEqual(all.map((log) => `${log} behind`).sort());
    await follow(new EndingDriver(replica), source);
    expect(await kinds()).toEqual(all.map((log) => `${log} equal`).sort());
    replica.delete(noteKey(3));
    expect(await kinds()).toContain('notes behind');
    replica.set(slotKey(C, 2), primary.get(slotKey(A, 2)) ?? text(''));
    expect(await kinds()).toContain(`${C} different`);
  });
});

describe('a source that must not be followed', () => {
  async function refused(
    objects: Objects,
    lineage: readonly Incarnation[],
    identity = { store: STORE, instance: INSTANCE },
  ) {
    const replica: Objects = new Map();
    await follow(new EndingDriver(replica), source);
    const before = replica.size;
    const other = sourceOver(new MemoryDriver(objects), clock, lineage);
    const { state } = await follow(new EndingDriver(replica), other, {}, identity);
    expect(replica.size).toBe(before);
    return 'error' in state ? [state.kind, state.error.message] : [state.kind];
  }

  test('is one that lacks notes of the replica, or has others: nothing is written', async () => {
    const older: Objects = new Map([...primary].filter(([key]) => key !== noteKey(3)));
    const [kind, message] = await refused(older, [STORE]);
    expect([kind, message]).toEqual(['refused', expect.stringContaining('it has no note 3, which is here')]);
    const other: Objects = new Map(primary);
    other.set(noteKey(3), text(new TextDecoder().decode(primary.get(noteKey(3))).replace('primary', 'another')));
    expect(await refused(other, [STORE])).toEqual([
      'refused',
      expect.stringContaining('its note 3 is another one than here'),
    ]);
  });

  test('is one that follows this replica, or another registry', async () => {
    expect(await refused(primary, [OTHER, INSTANCE])).toEqual([
      'refused',
      expect.stringContaining('would follow each other'),
    ]);
    const identity = { store: INSTANCE, instance: STORE };
    expect(await refused(primary, [OTHER], identity)).toEqual(['refused', expect.stringContaining('another registry')]);
  });
});
