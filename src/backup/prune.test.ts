import { describe, expect, test } from 'bun:test';
import { changed } from '../../test/simulation/bugs.ts';
import { MemoryArchive } from '../../test/support/memory-archive.ts';
import { A, B, CALLER, openRegistry, text } from '../../test/support/registry.ts';
import { removeHold, renewHold } from '../collection/holds.ts';
import type { Digest, Incarnation, RepositoryName } from '../oci/names.ts';
import { blobKey, packKey } from './layout.ts';
import { BackupPlace } from './place.ts';
import { type PruneReport, prune } from './prune.ts';
import { type BackupReport, backUp } from './run.ts';
import { type Fault, verify } from './verify.ts';

const STORE = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as Incarnation;
const never = new AbortController().signal;

function opened() {
  const open = openRegistry();
  const { driver, clock, newIncarnation: newId } = open;
  const archive = new MemoryArchive();
  const place = new BackupPlace(archive);
  let number = 0;
  const makeBackup = async (to: MemoryArchive = archive, during: () => Promise<void> = async () => {}) => {
    clock.advance(1_000);
    return await backUp({
      ...{ place: new BackupPlace(to), store: STORE, secrets: STORE, version: 'test', signal: never },
      ...{ reader: driver, now: clock.now, sleep: clock.sleep, newId, by: 'operator', name: `b${++number}` },
      pace: during,
      hold: async (id, content) => {
        await renewHold(driver, id, content);
        return true;
      },
      release: (id) => removeHold(driver, id),
      onHoldLeft: () => expect.unreachable(),
      onEnd: async () => {},
    });
  };
  const keepLast = (last: number, of: MemoryArchive = archive, isDry = false): Promise<PruneReport> => {
    const rules = { last, daily: 0, weekly: 0, monthly: 0 };
    return prune({ place: new BackupPlace(of), rules, isDry, newId, now: clock.now, signal: never });
  };
  const namesOf = async (): Promise<string[]> => (await place.list()).map(({ name }) => name);
  const unlink = (repo: RepositoryName, digest: Digest): Promise<void> =>
    open.registry.deleteBlob(repo, digest, CALLER);
  const has = (digest: Digest): boolean => archive.objects.has(blobKey(digest));
  return { ...open, archive, place, makeBackup, keepLast, namesOf, unlink, has };
}

async function faultsOf(archive: MemoryArchive): Promise<Fault[]> {
  const place = new BackupPlace(archive);
  const faults: Fault[] = [];
  const onFault = async (fault: Fault): Promise<void> => void faults.push(fault);
  await verify(place, await place.list(), { sample: 1, random: Math.random, onFault, signal: never });
  return faults;
}

describe('a prune', () => {
  test('leaves files of others beside the backups', async () => {
    const { push, makeBackup, keepLast, archive } = opened();
    await push(A, text('in both backups'));
    await makeBackup();
    await makeBackup();
    const note = 'backups/README';
    archive.objects.set(note, text('whose backups these are'));
    expect((await keepLast(1)).removed).toHaveLength(1);
    expect(archive.objects.has(note)).toBe(true);
  });

  test('removes the backups that no rule keeps, and what only they needed', async () => {
    const { push, unlink, makeBackup, keepLast, namesOf, has, archive } = opened();
    const gone = await push(A, text('only in the first backup'));
    const shared = await push(B, text('in all'));
    await makeBackup();
    await unlink(A, gone);
    const later = await push(A, text('from the second one on'));
    await makeBackup();
    await makeBackup();
    const dry = await keepLast(2, archive, true);
    expect(dry).toMatchObject({ objects: 1, bytes: text('only in the first backup').length });
    expect(await namesOf()).toEqual(['b1', 'b2', 'b3']);
    const report = await keepLast(2);
    expect({ ...report, kept: [] }).toEqual({ ...dry, kept: [] });
    expect(report.removed.map(({ name }) => name)).toEqual(['b1']);
    expect(await namesOf()).toEqual(['b2', 'b3']);
    expect([gone, shared, later].map(has)).toEqual([false, true, true]);
    expect(await faultsOf(archive)).toEqual([]);
    // The next backup goes on from those that are left.
    await push(A, text('after the prune'));
    expect((await makeBackup()).added).toMatchObject({ objects: 1, slots: 1 });
    expect(await faultsOf(archive)).toEqual([]);
  });

  test('keeps what an older backup links that newer ones do not, also if the log has another history since', async () => {
    const { push, unlink, makeBackup, keepLast, has, archive } = opened();
    const old = await push(A, text('old'));
    await makeBackup();
    await unlink(A, old);
    await push(A, text('new'));
    await makeBackup();
    await push(A, text('newest'));
    await makeBackup();
    await keepLast(3);
    expect(has(old)).toBe(true);
    expect(await faultsOf(archive)).toEqual([]);
  });

  test('removes what a killed backup left, and would keep at least one backup', async () => {
    const { push, makeBackup, keepLast, has, archive, namesOf } = opened();
    await push(A, text('whole'));
    await makeBackup();
    const left = await push(A, text('left by a killed backup'));
    const killed = changed(archive, {
      write: (key, bytes) =>
        key.startsWith('packs/') ? Promise.reject(new Error('killed')) : archive.write(key, bytes),
    });
    expect(await makeBackup(killed).catch(String)).toContain('killed');
    expect(has(left)).toBe(true);
    expect(await keepLast(0).catch(String)).toContain('would keep no backup');
    expect(await keepLast(1)).toMatchObject({ removed: [], objects: 1 });
    expect(has(left)).toBe(false);
    expect(await namesOf()).toEqual(['b1']);
  });

  test('removes nothing if a backup that it keeps cannot be read', async () => {
    const { push, makeBackup, keepLast, archive, place } = opened();
    await push(A, text('one'));
    await makeBackup();
    await push(A, text('two'));
    await makeBackup();
    const [, second = expect.unreachable()] = await place.list();
    for (const pack of (await place.read(second)).packs) archive.objects.delete(packKey(pack));
    const before = [...archive.objects.keys()];
    expect(await keepLast(1).catch(String)).toContain('is missing or too short');
    expect([...archive.objects.keys()]).toEqual(before);
  });

  test('that ends at any write or removal leaves only whole backups, and can be run again', async () => {
    for (let step = 1; ; step++) {
      const { push, unlink, makeBackup, keepLast, archive, namesOf } = opened();
      const first = await push(A, text('first'));
      await makeBackup();
      await unlink(A, first);
      await push(A, text('second'));
      await makeBackup();
      let steps = 0;
      const counted = <T>(work: () => Promise<T>): Promise<T> =>
        ++steps > step ? Promise.reject(new Error('killed')) : work();
      const dying = changed(archive, {
        write: (key, bytes) => counted(() => archive.write(key, bytes)),
        remove: (keys) => counted(() => archive.remove(keys)),
      });
      const isKilled = (await keepLast(1, dying).catch(String)) === 'Error: killed';
      expect(await faultsOf(archive)).toEqual([]);
      expect(await namesOf()).toContain('b2');
      if (!isKilled) {
        expect(step).toBeGreaterThan(4);
        return;
      }
    }
  });
});

describe('a backup and a prune of one bucket at the same time', () => {
  /** A prune begins when a backup is at some step of its work. */
  async function together(pruneAt: (report: { readonly paces: number; readonly manifests: number }) => boolean) {
    const world = opened();
    const { push, unlink, makeBackup, keepLast, archive } = world;
    const again = await push(A, text('unlinked, and pushed again'));
    await makeBackup();
    await unlink(A, again);
    await makeBackup();
    await push(A, text('unlinked, and pushed again'));
    let [paces, manifests, hasPruned] = [0, 0, false];
    const pruned = async (): Promise<void> => {
      if (hasPruned || !pruneAt({ paces, manifests })) return;
      hasPruned = true;
      await keepLast(1);
    };
    const watched = changed(archive, {
      write: async (key, bytes) => {
        await pruned();
        await archive.write(key, bytes);
        await pruned();
      },
      // The manifest.
      writeLast: async (key, bytes) => {
        manifests++;
        await pruned();
        await archive.writeLast(key, bytes);
        manifests++;
        await pruned();
      },
    });
    const outcome: BackupReport | string = await makeBackup(watched, async () => {
      paces++;
      await pruned();
    }).catch(String);
    expect(hasPruned).toBe(true);
    return { ...world, outcome };
  }

  test.each([
    ['during the backup', ({ paces }: { paces: number }) => paces === 2],
    ['just before its manifest is written', ({ manifests }: { manifests: number }) => manifests === 1],
  ])('%s: there is no new backup, and those that are left are whole', async (_, at) => {
    const { outcome, archive, namesOf, makeBackup } = await together(at);
    expect(String(outcome)).toContain('was pruned meanwhile');
    expect(await namesOf()).toEqual(['b2']);
    expect(await faultsOf(archive)).toEqual([]);
    await makeBackup();
    expect(await namesOf()).toEqual(['b2', 'b4']);
    expect(await faultsOf(archive)).toEqual([]);
  });

  test('just after its manifest is written: it is the one that is kept', async () => {
    const { outcome, archive, namesOf } = await together(({ manifests }) => manifests === 2);
    expect(typeof outcome).toBe('object');
    expect(await namesOf()).toEqual(['b3']);
    expect(await faultsOf(archive)).toEqual([]);
  });

  test('a backup that was stopped just after it wrote its manifest, while a prune did not see it, does not count', async () => {
    const { push, unlink, makeBackup, keepLast, archive, namesOf } = opened();
    const again = await push(A, text('again'));
    await makeBackup();
    await unlink(A, again);
    await makeBackup();
    await push(A, text('again'));
    const stopped = changed(archive, {
      writeLast: async (key, bytes) => {
        await keepLast(1);
        await archive.writeLast(key, bytes);
        throw new Error('stopped');
      },
    });
    expect(await makeBackup(stopped).catch(String)).toContain('stopped');
    expect(await namesOf()).toEqual(['b2']);
    expect(await faultsOf(archive)).toEqual([]);
    // The next prune removes it.
    await keepLast(1);
    expect([...archive.objects.keys()].filter((key) => key.startsWith('backups/'))).toHaveLength(1);
  });

  test('a backup does not begin during a prune, nor a second prune, until the first one has said nothing for an hour', async () => {
    const { push, unlink, makeBackup, keepLast, archive, clock } = opened();
    const gone = await push(A, text('gone'));
    await makeBackup();
    await unlink(A, gone);
    await makeBackup();
    const killed = changed(archive, { remove: () => Promise.reject(new Error('killed')) });
    expect(await keepLast(1, killed).catch(String)).toContain('killed');
    for (const work of [makeBackup, () => keepLast(1)]) expect(await work().catch(String)).toContain('is being pruned');
    clock.advance(2 * 3_600_000);
    await makeBackup();
    expect(await faultsOf(archive)).toEqual([]);
  });
});
