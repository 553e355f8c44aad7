import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { countingIncarnations, type Fault, FaultyDriver, TestClock } from '../../../test/support/deterministic.ts';
import { RegistryError } from '../../oci/errors.ts';
import { noCrash } from '../../storage/crash-points.ts';
import { MemoryDriver } from '../../storage/memory/driver.ts';
import { ROBOT_SNAPSHOTS, robotSlotKey, robotSnapshotKey } from '../../storage/paths.ts';
import { MAX_ROBOTS, type RobotChange } from './decide.ts';
import { decodeRobotBatch, encodeRobotBatch } from './events.ts';
import { RobotsLog } from './log.ts';
import { parseRobotName, type RobotName } from './robot.ts';
import type { SecretHash } from './secret.ts';
import { readRobotSlot } from './slot.ts';
import { decodeRobotsSnapshot, encodeRobotsSnapshot } from './snapshot.ts';
import { RobotsView } from './view.ts';

const ACTOR = 'operator:1000';
const CI = 'ci' as RobotName;
const hash = (digit: string): SecretHash => digit.repeat(64) as SecretHash;
const create = (digit: string, expires?: string): RobotChange => ({
  ...{ kind: 'create', secret: hash(digit) },
  ...(expires === undefined ? {} : { expires }),
});
const revoke: RobotChange = { kind: 'revoke' };

function openLog(
  driver: MemoryDriver,
  clock = new TestClock(),
  writer = 0,
  snapshotFailed = (error: unknown): void => expect.unreachable(String(error)),
): RobotsLog {
  const newId = countingIncarnations(clock.now, writer);
  const ports = { driver, newId, now: clock.now, sleep: clock.sleep, reach: noCrash, node: `node${writer}` };
  return new RobotsLog({ ...ports, snapshotFailed });
}

async function robotsIn(driver: MemoryDriver): Promise<Record<string, SecretHash>> {
  const view = new RobotsView(driver);
  await view.refresh();
  return Object.fromEntries([...view.robots].map(([name, { secret }]) => [name, secret]));
}

describe('a robot', () => {
  test('is created once, rotated and revoked; then its name is free', async () => {
    const driver = new MemoryDriver();
    const log = openLog(driver);
    await log.change(CI, create('a'), ACTOR);
    await expect(log.change(CI, create('b'), ACTOR)).rejects.toThrow('the robot ci already exists');
    expect(await robotsIn(driver)).toEqual({ ci: hash('a') });
    await log.change(CI, { kind: 'rotate', secret: hash('c') }, ACTOR);
    expect(await robotsIn(driver)).toEqual({ ci: hash('c') });
    await log.change(CI, revoke, ACTOR);
    expect(await robotsIn(driver)).toEqual({});
    await expect(log.change(CI, revoke, ACTOR)).rejects.toThrow('there is no robot ci');
    await expect(log.change(CI, { kind: 'rotate', secret: hash('d') }, ACTOR)).rejects.toThrow('there is no robot ci');
    await log.change(CI, create('e'), ACTOR);
    expect(await robotsIn(driver)).toEqual({ ci: hash('e') });
    expect((await readRobotSlot(driver, 1))?.batch.events).toEqual([
      { type: 'robot.created', name: CI, secret: hash('a'), actor: ACTOR },
    ]);
  });

  test('keeps its expiry when it is rotated, unless a new one is given or it has expired', async () => {
    const driver = new MemoryDriver();
    const clock = new TestClock();
    const log = openLog(driver, clock);
    const inAnHour = new Date(clock.now() + 3_600_000).toISOString();
    await log.change(CI, create('a', inAnHour), ACTOR);
    await log.change(CI, { kind: 'rotate', secret: hash('b') }, ACTOR);
    expect(log.view.robots.get(CI)).toMatchObject({ secret: hash('b'), expires: inAnHour, createdBy: ACTOR });
    clock.advance(3_600_000);
    await expect(log.change(CI, { kind: 'rotate', secret: hash('c') }, ACTOR)).rejects.toThrow('has expired');
    await expect(log.change(CI, { kind: 'rotate', secret: hash('c'), expires: inAnHour }, ACTOR)).rejects.toThrow(
      'in the future',
    );
    const later = new Date(clock.now() + 1).toISOString();
    await log.change(CI, { kind: 'rotate', secret: hash('c'), expires: later }, ACTOR);
    expect(log.view.robots.get(CI)).toMatchObject({ secret: hash('c'), expires: later });
  });

  test('is refused beyond the maximum number', async () => {
    const log = openLog(new MemoryDriver());
    for (let n = 0; n < MAX_ROBOTS; n++) await log.change(`r${n}` as RobotName, create('a'), ACTOR);
    await expect(log.change(CI, create('a'), ACTOR)).rejects.toThrow('which is the maximum');
    await log.change('r7' as RobotName, revoke, ACTOR);
    await log.change(CI, create('a'), ACTOR);
    expect(log.view.robots.size).toBe(MAX_ROBOTS);
  });
});

test('processes that change robots concurrently write one log, and only one creates a name', async () => {
  const driver = new MemoryDriver();
  const clock = new TestClock();
  const logs = [0, 1, 2].map((writer) => openLog(driver, clock, writer));
  const names = Array.from({ length: 20 }, (_, n) => `r${n}` as RobotName);
  const changes = logs.flatMap((log, n) => names.map((name) => log.change(name, create(String(n)), ACTOR)));
  const settled = await Promise.allSettled(changes);
  expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(20);
  for (const each of settled) if (each.status === 'rejected') expect(String(each.reason)).toContain('exists');
  expect(Object.keys(await robotsIn(driver)).sort()).toEqual([...names].sort());
  for (const log of logs) {
    await log.view.refresh();
    expect(log.view.seq).toBe(20);
  }
});

test('a change without a response of the store is made once, and fails only if it is not confirmed in time', async () => {
  const faults = fc.array(fc.constantFrom<Fault>('none', 'before writing', 'after writing'), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(faults, async (all) => {
      let call = 0;
      const driver = new FaultyDriver(() => all[call++] ?? 'none');
      const log = openLog(driver);
      await log.change(CI, create('a'), ACTOR);
      await log.change(CI, revoke, ACTOR);
      expect(log.view.seq).toBe(2);
      expect(await robotsIn(driver)).toEqual({});
    }),
  );
  const dead = openLog(new FaultyDriver(() => 'before writing'));
  const failed: unknown = await dead.change(CI, create('a'), ACTOR).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(RegistryError);
  expect(failed).toMatchObject({ kind: 'unavailable' });
});

describe('a log', () => {
  async function twoSlots(): Promise<{ driver: MemoryDriver; objects: Map<string, Uint8Array> }> {
    const objects = new Map<string, Uint8Array>();
    const driver = new MemoryDriver(objects);
    const log = openLog(driver);
    await log.change(CI, create('a'), ACTOR);
    await log.change(CI, revoke, ACTOR);
    return { driver, objects };
  }

  const alter = (objects: Map<string, Uint8Array>, seq: number, change: (text: string) => string): void => {
    const text = new TextDecoder().decode(objects.get(robotSlotKey(seq)));
    objects.set(robotSlotKey(seq), new TextEncoder().encode(change(text)));
  };

  test('whose first slot was altered stops before the second', async () => {
    const { driver, objects } = await twoSlots();
    alter(objects, 1, (text) => text.replace(hash('a'), hash('b')));
    const view = new RobotsView(driver);
    await expect(view.refresh()).rejects.toThrow(
      'slot 2 of the log of robots cannot be used: it does not follow slot 1',
    );
  });

  test('with a newer version stops there', async () => {
    const { driver, objects } = await twoSlots();
    alter(objects, 2, (text) => text.replace('"v":1', '"v":2'));
    const view = new RobotsView(driver);
    await expect(view.refresh()).rejects.toThrow('version 2, this Marina knows 1');
    expect([...view.robots.keys()]).toEqual([CI]);
  });

  test('has canonical batches, and other bytes are a problem, not an exception', async () => {
    const { objects } = await twoSlots();
    for (const bytes of objects.values()) {
      const decoded = decodeRobotBatch(bytes);
      if ('problem' in decoded) return expect.unreachable(decoded.problem);
      expect(encodeRobotBatch(decoded.batch)).toEqual(new Uint8Array(bytes));
    }
    const json = fc.jsonValue().map((value) => new TextEncoder().encode(JSON.stringify(value)));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), json), (bytes) =>
        expect(decodeRobotBatch(bytes)).toHaveProperty('problem'),
      ),
    );
  });
});

describe('a snapshot', () => {
  /** 513 slots, after 512 of which a snapshot was stored. */
  async function longLog(): Promise<{ driver: CountingDriver; objects: Map<string, Uint8Array> }> {
    const objects = new Map<string, Uint8Array>();
    const driver = new CountingDriver(objects);
    const log = openLog(driver);
    for (let n = 0; n < 256; n++) {
      await log.change(`r${n}` as RobotName, create('a', n % 2 === 0 ? '2999-01-01T00:00:00.000Z' : undefined), ACTOR);
      await log.change(`r${n}` as RobotName, n % 3 === 0 ? revoke : { kind: 'rotate', secret: hash('b') }, ACTOR);
    }
    await log.change(CI, create('c'), ACTOR);
    return { driver, objects };
  }

  class CountingDriver extends MemoryDriver {
    reads = 0;

    override async read(key: Parameters<MemoryDriver['read']>[0]): ReturnType<MemoryDriver['read']> {
      this.reads++;
      return await super.read(key);
    }
  }

  test('replaces the slots before it, and gives the same robots', async () => {
    const { driver, objects } = await longLog();
    expect([...objects.keys()].filter((key) => key.startsWith(ROBOT_SNAPSHOTS))).toEqual([robotSnapshotKey(512)]);
    driver.reads = 0;
    const view = new RobotsView(driver);
    await view.refresh();
    // The snapshot, slot 513, and the end of the log.
    expect(driver.reads).toBeLessThan(6);
    objects.delete(robotSnapshotKey(512));
    const folded = new RobotsView(driver);
    await folded.refresh();
    expect(view.seq).toBe(513);
    expect([view.hash, ...view.robots]).toEqual([folded.hash, ...folded.robots]);
    expect(encodeRobotsSnapshot(view)).toEqual(encodeRobotsSnapshot(folded));
    expect(decodeRobotsSnapshot(encodeRobotsSnapshot(view))?.robots).toEqual(view.robots);
  });

  test('that cannot be used is ignored', async () => {
    const { driver, objects } = await longLog();
    const good = new TextDecoder().decode(objects.get(robotSnapshotKey(512)));
    for (const text of ['', '{}', good.slice(0, -1), good.replace('"v":1', '"v":2'), good.replace('512', '511')]) {
      objects.set(robotSnapshotKey(512), new TextEncoder().encode(text));
      const view = new RobotsView(driver);
      await view.refresh();
      expect([view.seq, view.robots.size]).toEqual([513, 171]);
    }
  });

  test('that cannot be stored does not fail the change, and the next change stores it', async () => {
    let isDown = true;
    class Driver extends MemoryDriver {
      override async create(...args: Parameters<MemoryDriver['create']>): ReturnType<MemoryDriver['create']> {
        if (isDown && args[0].startsWith(ROBOT_SNAPSHOTS)) throw new Error('no answer');
        return await super.create(...args);
      }
    }
    const objects = new Map<string, Uint8Array>();
    const failures: unknown[] = [];
    const log = openLog(new Driver(objects), new TestClock(), 0, (error) => failures.push(error));
    for (let n = 0; n < 512; n++) await log.change(`r${n}` as RobotName, create('a'), ACTOR);
    expect([failures.length, log.view.seq]).toEqual([1, 512]);
    isDown = false;
    await log.change(CI, create('a'), ACTOR);
    expect(objects.has(robotSnapshotKey(513))).toBe(true);
  });
});

test('names of robots are short, lower case and printable', () => {
  for (const name of ['ci', 'ci-1', 'team.app_build-2', 'a'.repeat(64)])
    expect<string | undefined>(parseRobotName(name)).toBe(name);
  for (const name of ['', 'CI', '-a', 'a-', 'a--b', 'a/b', 'a:b', 'a+b', 'a b', 'ä', 'a\n', 'a'.repeat(65)])
    expect(parseRobotName(name)).toBeUndefined();
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      if (parseRobotName(text) !== undefined) expect(text).toMatch(/^[a-z0-9._-]{1,64}$/);
    }),
  );
});
