import { beforeEach, expect, test } from 'bun:test';
import { countingIncarnations } from '../../../test/support/deterministic.ts';
import type { RobotChange } from '../../access/robots/decide.ts';
import { RobotsLog } from '../../access/robots/log.ts';
import type { RobotName } from '../../access/robots/robot.ts';
import type { SecretHash } from '../../access/robots/secret.ts';
import { noCrash } from '../../storage/crash-points.ts';
import { MemoryDriver } from '../../storage/memory/driver.ts';
import { robotSlotKey, robotSnapshotKey } from '../../storage/paths.ts';
import type { Finding } from './findings.ts';
import { checkRobots } from './robots-check.ts';

const SLOTS = 520;
const SNAPSHOT = 512;
const objects = new Map<string, Uint8Array>();

beforeEach(async () => {
  objects.clear();
  const log = new RobotsLog({
    driver: new MemoryDriver(objects),
    newId: countingIncarnations(() => Date.UTC(2030, 0, 1)),
    now: () => Date.UTC(2030, 0, 1),
    sleep: async () => {},
    reach: noCrash,
    node: 'n',
    snapshotFailed: (error) => expect.unreachable(String(error)),
  });
  const change: RobotChange = { kind: 'create', secret: 'a'.repeat(64) as SecretHash };
  for (let n = 0; n < SLOTS; n++) await log.change(`r${n}` as RobotName, change, 'operator:0');
});

async function findings(): Promise<{ found: (readonly [string, number | undefined])[]; snapshots: number }> {
  const found: Finding[] = [];
  const tally = { repositories: 0, slots: 0, snapshots: 0, objects: 0, bytes: 0, verified: 0 };
  await checkRobots({
    reader: new MemoryDriver(objects),
    tally,
    report: async (finding) => void found.push(finding),
  });
  return { found: found.map(({ problem, slot }) => [problem, slot] as const), snapshots: tally.snapshots };
}

function alter(key: string, change: (text: string) => string): void {
  const text = change(new TextDecoder().decode(objects.get(key)));
  objects.set(key, new TextEncoder().encode(text));
}

test('a sound log with a snapshot has no faults', async () => {
  expect(await findings()).toEqual({ found: [], snapshots: 1 });
});

test('a snapshot that differs from the slots, cannot be read, or is of a slot that does not exist is a fault', async () => {
  alter(robotSnapshotKey(SNAPSHOT), (text) => text.replace('a'.repeat(64), 'b'.repeat(64)));
  expect((await findings()).found).toEqual([['snapshot-wrong', SNAPSHOT]]);
  alter(robotSnapshotKey(SNAPSHOT), () => 'not JSON');
  objects.set(robotSnapshotKey(SLOTS + 1), new Uint8Array());
  objects.set('robots/_snap/x', new Uint8Array());
  expect((await findings()).found).toEqual([
    ['foreign-object', undefined],
    ['snapshot-unusable', SNAPSHOT],
    ['snapshot-ahead', SLOTS + 1],
  ]);
});

test('missing and altered slots are faults, once each', async () => {
  objects.delete(robotSlotKey(3));
  alter(robotSlotKey(7), (text) => text.replace('"node":"n"', '"node":"m"'));
  alter(robotSlotKey(9), () => 'not JSON');
  expect((await findings()).found).toEqual([
    ['slot-missing', 3],
    ['chain-broken', 8],
    ['slot-unusable', 9],
  ]);
});
