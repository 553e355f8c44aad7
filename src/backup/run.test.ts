import { describe, expect, test } from 'bun:test';
import { changed } from '../../test/simulation/bugs.ts';
import { collectNow } from '../../test/support/collection.ts';
import { MemoryArchive } from '../../test/support/memory-archive.ts';
import {
  A,
  B,
  CALLER,
  EXPIRY,
  GRACE,
  type OpenRegistry,
  openRegistry,
  tag,
  text,
} from '../../test/support/registry.ts';
import { readHolds, removeHold, renewHold } from '../collection/holds.ts';
import { foldLog } from '../journal/log.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import type { Digest, Incarnation, RepositoryName } from '../oci/names.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { dataKey, FORMAT, HINTS, hintKey, slotKey } from '../storage/paths.ts';
import { encodeFormat, readFormat, readIdentity } from '../storage/prepare.ts';
import { BackupIncomplete, BackupRefused } from './errors.ts';
import { HOLD_MS } from './hold-time.ts';
import { BACKUPS, blobKey } from './layout.ts';
import { BackupPlace } from './place.ts';
import { MomentIncomplete, type RestorePorts, restoreBackup } from './restore.ts';
import { type BackupPorts, backUp } from './run.ts';
import type { RunReport } from './run-reports.ts';
import { type Fault, verify } from './verify.ts';

const STORE = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as Incarnation;
const never = new AbortController().signal;

function portsOf(open: OpenRegistry, archive: MemoryArchive, changes: Partial<BackupPorts> = {}): BackupPorts {
  const { driver, clock, newIncarnation } = open;
  return {
    place: new BackupPlace(archive),
    ...{ store: STORE, secrets: STORE, version: 'test', signal: never, pace: async () => {} },
    ...{ reader: driver, now: clock.now, sleep: clock.sleep, newId: newIncarnation, by: 'operator' },
    name: `b${clock.now()}`,
    hold: async (id, content) => {
      await renewHold(driver, id, content);
      return true;
    },
    release: (id) => removeHold(driver, id),
    onHoldLeft: () => expect.unreachable(),
    onEnd: async () => {},
    ...changes,
  };
}

async function faultsOf(archive: MemoryArchive): Promise<Fault[]> {
  const place = new BackupPlace(archive);
  const faults: Fault[] = [];
  const onFault = async (fault: Fault): Promise<void> => void faults.push(fault);
  const report = await verify(place, await place.list(), { sample: 1, random: Math.random, onFault, signal: never });
  expect(report.faults).toBe(faults.length);
  return faults;
}

async function restored(archive: MemoryArchive, changes: Partial<RestorePorts> = {}) {
  const place = new BackupPlace(archive);
  const newest = (await place.list()).at(-1) ?? expect.unreachable();
  const target = new MemoryArchive();
  const ports: RestorePorts = {
    ...{ archive, manifest: await place.read(newest), target, at: undefined, sameStore: false, signal: never },
    newId: () => '01BX5ZZKBKACTAV9WEVGEMMVRZ' as Incarnation,
    acceptsDamage: false,
    ...changes,
  };
  const report = await restoreBackup(ports);
  return {
    report,
    target: ports.target as MemoryArchive,
    driver: new MemoryDriver((ports.target as MemoryArchive).objects),
  };
}

/** The bytes of all that a log links. */
async function contentOf(driver: MemoryDriver, repo: RepositoryName): Promise<Map<Digest, string>> {
  const { state } = await foldLog(driver, repo);
  const content = new Map<Digest, string>();
  for (const [digest, { inc }] of [...state.blobs, ...state.manifests])
    content.set(digest, new TextDecoder().decode((await driver.read(dataKey(inc))) ?? expect.unreachable()));
  return content;
}

const unlink = (open: OpenRegistry, repo: RepositoryName, digest: Digest): Promise<void> =>
  open.registry.deleteBlob(repo, digest, CALLER);

describe('a backup', () => {
  test('has the logs and the bytes they link, once each, and a restored store has the same', async () => {
    const open = openRegistry();
    const shared = await open.push(A, text('shared'));
    await open.push(B, text('shared'));
    await open.push(B, text('other'));
    const gone = await open.push(A, text('gone'));
    await unlink(open, A, gone);
    const archive = new MemoryArchive();
    const report = await backUp(portsOf(open, archive));
    expect(report).toMatchObject({ repositories: 2, slots: 5, added: { objects: 2, slots: 5 } });
    expect(archive.objects.has(blobKey(shared))).toBe(true);
    expect(archive.objects.has(blobKey(gone))).toBe(false);
    expect(await faultsOf(archive)).toEqual([]);
    expect(await readHolds(open.driver)).toEqual([]);
    const { driver, report: done } = await restored(archive);
    for (const repo of [A, B]) {
      expect(await contentOf(driver, repo)).toEqual(await contentOf(open.driver as MemoryDriver, repo));
      for (let seq = 1; seq <= 2; seq++)
        expect(await driver.read(slotKey(repo, seq))).toEqual(await open.driver.read(slotKey(repo, seq)));
    }
    expect(done).toMatchObject({ repositories: 2, slots: 5, objects: 3, resumed: false });
    expect(await readIdentity(driver)).toMatchObject({
      store: '01BX5ZZKBKACTAV9WEVGEMMVRZ' as Incarnation,
      secrets: STORE,
    });
  });

  test('copies only what is new since the last one', async () => {
    const open = openRegistry();
    for (let each = 0; each < 20; each++) await open.push(A, text(`blob ${each}`));
    const archive = new MemoryArchive();
    await backUp(portsOf(open, archive));
    open.clock.advance(1_000);
    await open.push(B, text('new'));
    const reads: string[] = [];
    const reader = changed(open.driver, {
      read: (key) => {
        reads.push(key);
        return open.driver.read(key);
      },
      open: (key) => {
        reads.push(key);
        return open.driver.open(key);
      },
    });
    const report = await backUp(portsOf(open, archive, { reader }));
    expect(report).toMatchObject({ repositories: 2, slots: 21, added: { objects: 1, slots: 1 } });
    expect(reads.filter((key) => key.startsWith('data/'))).toHaveLength(1);
    expect(reads.filter((key) => key.startsWith(`repos/${A}/`)).length).toBeLessThan(4);
    expect(await faultsOf(archive)).toEqual([]);
    const { driver } = await restored(archive);
    expect((await contentOf(driver, A)).size).toBe(20);
    expect((await contentOf(driver, B)).size).toBe(1);
  });

  test('takes a log again whose history is another one than that of the last backup', async () => {
    const open = openRegistry();
    await open.push(A, text('one'));
    const archive = new MemoryArchive();
    await backUp(portsOf(open, archive));
    const other = openRegistry({ number: 2 });
    other.clock.advance(5_000);
    await other.push(A, text('two'));
    await other.push(A, text('three'));
    const report = await backUp(portsOf(other, archive));
    expect(report).toMatchObject({ slots: 2, added: { objects: 2, slots: 2 } });
    expect(await faultsOf(archive)).toEqual([]);
    const { driver } = await restored(archive);
    expect([...(await contentOf(driver, A)).values()].sort()).toEqual(['three', 'two']);
  });

  test('whose source lacks the bytes of one blob says so in the singular', async () => {
    const open = openRegistry();
    const inc = await open.linkOf(A, await open.push(A, text('missing')));
    if (inc === undefined) return expect.unreachable();
    await open.driver.delete([dataKey(inc)]);
    const run = backUp(portsOf(open, new MemoryArchive()));
    await expect(run).rejects.toThrow('1 blob or manifest of the registry could not be copied');
  });

  test('whose source has damaged or missing bytes names them, and leaves no backup', async () => {
    const open = openRegistry();
    const damaged = await open.push(A, text('damaged'));
    const missing = await open.push(B, text('missing'));
    const right = await open.push(B, text('right'));
    const [damagedInc, missingInc] = [await open.linkOf(A, damaged), await open.linkOf(B, missing)];
    if (damagedInc === undefined || missingInc === undefined) return expect.unreachable();
    await open.driver.put(dataKey(damagedInc), text('DAMAGED'));
    await open.driver.delete([dataKey(missingInc)]);
    const archive = new MemoryArchive();
    const ended: RunReport[] = [];
    const onEnd = async (run: RunReport): Promise<void> => void ended.push(run);
    const failure = await backUp(portsOf(open, archive, { onEnd })).catch((error: unknown) => error);
    expect(ended).toMatchObject([
      {
        failed: '2 blobs or manifests of the registry could not be copied',
        added: { objects: 1, slots: 3 },
        cut: { repositories: 2 },
      },
    ]);
    expect(failure).toBeInstanceOf(BackupIncomplete);
    expect((failure as BackupIncomplete).damages.toSorted((one, other) => (one.repo < other.repo ? -1 : 1))).toEqual([
      { repo: A, digest: damaged, problem: 'damaged' },
      { repo: B, digest: missing, problem: 'missing' },
    ]);
    expect(await new BackupPlace(archive).list()).toEqual([]);
    expect([...archive.objects.keys()].filter((key) => key.startsWith(BACKUPS))).toEqual([]);
    expect(archive.objects.has(blobKey(right))).toBe(true);
    expect(archive.objects.has(blobKey(damaged))).toBe(false);
    expect(await readHolds(open.driver)).toEqual([]);
  });

  test('goes only to an empty place, or to one with backups of the same registry, under a new name', async () => {
    const open = openRegistry();
    await open.push(A, text('one'));
    const archive = new MemoryArchive();
    await backUp(portsOf(open, archive, { name: 'nightly' }));
    const again = backUp(portsOf(open, archive, { name: 'nightly' }));
    await expect(again).rejects.toThrow('has a backup nightly already');
    const foreign = portsOf(open, archive, { store: '01BX5ZZKBKACTAV9WEVGEMMVRZ' as Incarnation });
    await expect(backUp(foreign)).rejects.toThrow('has backups of another registry');
    const full = new MemoryArchive();
    full.objects.set('something', text('else'));
    await expect(backUp(portsOf(open, full))).rejects.toThrow('has other content');
    const store = new MemoryArchive();
    store.objects.set(FORMAT, encodeFormat({ store: STORE, secrets: STORE }));
    await expect(backUp(portsOf(open, store))).rejects.toThrow('is a store of a registry');
  });

  test('holds what its cut has while collections run, and no longer', async () => {
    const open = openRegistry();
    const digest = await open.push(A, text('unlinked during the backup'));
    const inc = (await open.linkOf(A, digest)) ?? expect.unreachable();
    const archive = new MemoryArchive();
    const ports = portsOf(open, archive);
    let isHeld = false;
    let isUnlinked = false;
    const report = await backUp({
      ...ports,
      hold: async (id, content) => {
        isHeld = true;
        return await ports.hold(id, content);
      },
      // Before the first slot is copied, the blob is unlinked. From then on each step takes nearly as long as a hold lasts.
      pace: async () => {
        if (!isHeld) return;
        if (!isUnlinked) await unlink(open, A, digest);
        isUnlinked = true;
        open.clock.advance(0.9 * HOLD_MS);
        await collectNow(open, { grace: HOLD_MS / 4, uploadExpiry: HOLD_MS / 8 });
      },
    });
    expect(isUnlinked).toBe(true);
    expect(report.added.objects).toBe(1);
    expect(await faultsOf(archive)).toEqual([]);
    open.clock.advance(2 * GRACE + 2 * EXPIRY);
    await collectNow(open);
    expect(await open.driver.head(dataKey(inc))).toBeUndefined();
  });

  test('renews its hold while it copies one large object', async () => {
    const open = openRegistry();
    await open.push(A, text('large'));
    const archive = new MemoryArchive();
    const copy = archive.copy.bind(archive);
    const ends: number[] = [];
    // Each piece takes more than half as long as a hold lasts.
    archive.copy = async (key, source, ports) => {
      for (let piece = 0; piece < 4; piece++) {
        open.clock.advance(0.6 * HOLD_MS);
        await ports.onBytes(1);
        for (const { until } of await readHolds(open.driver)) ends.push(until - open.clock.now());
      }
      return await copy(key, source, ports);
    };
    await backUp(portsOf(open, archive));
    expect(ends).toEqual([HOLD_MS, HOLD_MS, HOLD_MS, HOLD_MS]);
  });

  test('that is interrupted ends its hold', async () => {
    const open = openRegistry();
    await open.push(A, text('one'));
    const interrupted = new AbortController();
    let wasHeld = false;
    const pace = async (): Promise<void> => {
      wasHeld = (await readHolds(open.driver)).length === 1;
      interrupted.abort();
    };
    const archive = new MemoryArchive();
    const ended: RunReport[] = [];
    const onEnd = async (run: RunReport): Promise<void> => void ended.push(run);
    const running = backUp(portsOf(open, archive, { pace, signal: interrupted.signal, onEnd }));
    expect(await running.catch((error: unknown) => error)).toBe(interrupted.signal.reason);
    expect(wasHeld).toBe(true);
    expect(ended.map(({ failed }) => failed)).toEqual(['it was interrupted']);
    expect(await readHolds(open.driver)).toEqual([]);
    expect(await new BackupPlace(archive).list()).toEqual([]);
  });

  test('whose hold cannot be removed takes another cut, and reports the hold', async () => {
    const open = openRegistry();
    const freed = await open.push(A, text('freed between the cut and the hold'));
    await open.push(A, text('stays'));
    const inc = (await open.linkOf(A, freed)) ?? expect.unreachable();
    const archive = new MemoryArchive();
    const ports = portsOf(open, archive);
    const unanswered = new Error('the delete got no answer');
    const left: unknown[] = [];
    let holds = 0;
    const report = await backUp({
      ...ports,
      hold: async (id, content) => {
        holds++;
        if (holds === 1) {
          await unlink(open, A, freed);
          await open.driver.delete([dataKey(inc)]);
        }
        return await ports.hold(id, content);
      },
      release: () => Promise.reject(unanswered),
      onHoldLeft: (error) => left.push(error),
      onEnd: async () => {},
    });
    expect(report.added.objects).toBe(1);
    expect(await faultsOf(archive)).toEqual([]);
    // Of the first cut and of the second one.
    expect(left).toEqual([unanswered, unanswered]);
  });

  test('that ends because of an error says which one, also if its hold cannot be removed', async () => {
    const open = openRegistry();
    await open.push(A, text('one'));
    const left: unknown[] = [];
    const running = backUp(
      portsOf(open, new MemoryArchive(), {
        hold: () => Promise.reject(new Error('the hold got no answer')),
        release: () => Promise.reject(new Error('the delete got no answer')),
        onHoldLeft: (error) => left.push(error),
        onEnd: async () => {},
      }),
    );
    expect(await running.catch(String)).toContain('the hold got no answer');
    expect(left.map(String)).toEqual(['Error: the delete got no answer']);
  });

  test('that was killed is continued: what it copied is not copied again', async () => {
    const open = openRegistry();
    await open.push(A, text('whole'));
    const archive = new MemoryArchive();
    const killed = changed(archive, {
      write: (key, bytes) =>
        key.startsWith('packs/') ? Promise.reject(new Error('killed')) : archive.write(key, bytes),
    });
    await expect(backUp(portsOf(open, killed))).rejects.toThrow('killed');
    expect(await new BackupPlace(archive).list()).toEqual([]);
    expect((await backUp(portsOf(open, archive))).added).toMatchObject({ objects: 0, slots: 1 });
    expect(await faultsOf(archive)).toEqual([]);
  });
});

describe('verify', () => {
  test('names each fault', async () => {
    const open = openRegistry();
    const damaged = await open.push(A, text('damaged'));
    const missing = await open.push(B, text('missing'));
    const archive = new MemoryArchive();
    await backUp(portsOf(open, archive, { name: 'first' }));
    archive.objects.set(blobKey(damaged), text('DAMAGED'));
    archive.objects.delete(blobKey(missing));
    const faults = await faultsOf(archive);
    expect(faults.map(({ fault, repo, digest }) => [fault, repo, digest]).sort()).toEqual([
      ['blob-damaged', A, damaged],
      ['blob-missing', B, missing],
    ]);
    const [pack] = [...archive.objects.keys()].filter((key) => key.startsWith('packs/'));
    const bytes = archive.objects.get(pack ?? '') ?? expect.unreachable();
    archive.objects.set(pack ?? '', bytes.with(bytes.length - 5, (bytes.at(-5) ?? 0) ^ 1));
    expect((await faultsOf(archive)).map(({ fault }) => fault)).toContain('pack-damaged');
    const [manifest] = [...archive.objects.keys()].filter((key) => key.startsWith(BACKUPS));
    archive.objects.set(manifest ?? '', text('{}\n'));
    expect((await faultsOf(archive)).map(({ fault }) => fault)).toEqual(['backup-damaged']);
  });
});

describe('a restore', () => {
  test('as of a moment has what the registry had then, if the backups have its bytes', async () => {
    const open = openRegistry();
    const first = await open.push(A, text('first'));
    open.clock.advance(60_000);
    const moment = open.clock.now();
    open.clock.advance(60_000);
    const archive = new MemoryArchive();
    await backUp(portsOf(open, archive));
    open.clock.advance(60_000);
    await unlink(open, A, first);
    const lost = await open.push(A, text('between two backups'));
    const between = open.clock.now();
    open.clock.advance(60_000);
    await unlink(open, A, lost);
    await open.push(B, text('last'));
    await backUp(portsOf(open, archive));
    const { driver } = await restored(archive, { at: moment });
    expect([...(await contentOf(driver, A)).values()]).toEqual(['first']);
    expect(await driver.head(slotKey(B, 1))).toBeUndefined();
    const failure = await restored(archive, { at: between }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(MomentIncomplete);
    expect((failure as MomentIncomplete).damages).toEqual([{ repo: A, digest: lost, problem: 'missing' }]);
  });

  test('that was interrupted is continued by the same one only, and nothing serves the store before', async () => {
    const open = openRegistry();
    await open.push(A, text('one'));
    await open.push(A, text('two'));
    const archive = new MemoryArchive();
    await backUp(portsOf(open, archive));
    const target = new MemoryArchive();
    const stop = new AbortController();
    const newId = (): Incarnation => {
      stop.abort();
      return STORE;
    };
    const begun = restored(archive, { target, signal: stop.signal, newId });
    expect(await begun.catch((error: unknown) => error)).toBe(stop.signal.reason);
    const driver = new MemoryDriver(target.objects);
    await expect(readFormat(driver)).rejects.toThrow('a backup is being restored to this store');
    await expect(restored(archive, { target, sameStore: true, at: 1 })).rejects.toThrow('was interrupted');
    const other = new MemoryArchive();
    await backUp(portsOf(open, other));
    await expect(restored(other, { target })).rejects.toThrow('was interrupted');
    for (const [key, bytes] of target.objects)
      if (key.startsWith('data/')) target.objects.set(key, bytes.with(0, (bytes[0] ?? 0) ^ 1));
  });

  test('writes hints of blobs, not of manifests', async () => {
    const open = openRegistry();
    const blob = await open.push(A, text('blob'));
    const bytes = text(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }));
    await open.registry.pushManifest(
      A,
      { bytes, contentType: OCI_INDEX, digest: undefined, tags: [tag('v1')] },
      CALLER,
    );
    const archive = new MemoryArchive();
    await backUp(portsOf(open, archive));
    const { target, report } = await restored(archive);
    expect(report.objects).toBe(2);
    expect([...target.objects.keys()].filter((key) => key.startsWith(HINTS))).toEqual([hintKey(blob)]);
  });

  test('refuses a store that is not empty, and keeps the identity only if it is told to', async () => {
    const open = openRegistry();
    await open.push(A, text('one'));
    const archive = new MemoryArchive();
    await backUp(portsOf(open, archive));
    const target = new MemoryArchive();
    target.objects.set('x', text('y'));
    const refusal = await restored(archive, { target }).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(BackupRefused);
    expect((await restored(archive, { sameStore: true })).report).toMatchObject({ store: STORE, secrets: STORE });
  });
});
