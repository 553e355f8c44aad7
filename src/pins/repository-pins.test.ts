import { beforeEach, expect, test } from 'bun:test';
import { collectNow } from '../../test/support/collection.ts';
import {
  A,
  B,
  CALLER,
  EXPIRY,
  GRACE,
  HOUR,
  type OpenRegistry,
  openRegistry,
  refusalOf,
  text,
} from '../../test/support/registry.ts';
import { type AccessPolicy, openAccess } from '../access/access.ts';
import { activeHolds, createHold, MAX_HOLDS } from '../collection/holds.ts';
import { foldLog, READ_AHEAD } from '../journal/log.ts';
import { RegistryError } from '../oci/errors.ts';
import { dataKey, holdKey } from '../storage/paths.ts';
import { RepositoryPins } from './repository-pins.ts';

const DAY = 24 * HOUR;
const WANTED = { name: 'q3-audit', duration: 30 * DAY };

let open: OpenRegistry;
let isWritable: boolean;
beforeEach(async () => {
  open = openRegistry();
  isWritable = true;
  for (const repo of [A, B]) await open.push(repo, text(repo));
});

function pinsWith(access: Partial<AccessPolicy> = {}): RepositoryPins {
  const { driver, newIncarnation, clock } = open;
  return new RepositoryPins({
    ...{ driver, access: { ...openAccess, ...access }, newId: newIncarnation, now: () => clock.now() },
    writesRefused: () => (isWritable ? undefined : new RegistryError('read-only', 'no writes')),
    stateOf: async (repo) => (await foldLog(driver, repo, READ_AHEAD)).state,
  });
}

test('a pin keeps what the repository had, through deletes and collections, until it ends', async () => {
  const pins = pinsWith();
  const digest = await open.push(A, text('kept'));
  const inc = (await open.linkOf(A, digest)) ?? expect.unreachable();
  const isStored = async () => (await open.driver.head(dataKey(inc))) !== undefined;
  const { id } = await pins.pin(A, WANTED, CALLER);
  await open.registry.deleteBlob(A, digest, CALLER);
  open.clock.advance(2 * GRACE + 2 * EXPIRY);
  await collectNow(open);
  expect(await isStored()).toBe(true);
  await pins.unpin(A, id, CALLER);
  expect(await pins.list(A, CALLER)).toEqual({ pins: [], unreadable: 0 });
  await collectNow(open);
  expect(await isStored()).toBe(false);
});

test('a repository shows its own pins, and to administrators those of several repositories', async () => {
  const pins = pinsWith();
  const { driver, newIncarnation, clock } = open;
  const now = clock.now();
  const times = { moment: now, created: now - 1, until: now + DAY };
  const logs: [typeof A, number][] = [
    [A, 1],
    [B, 1],
  ];
  await createHold(driver, newIncarnation(), { v: 1, name: 'all', ...times, by: 'operator', logs });
  await pins.pin(A, WANTED, CALLER);
  await pins.pin(B, { ...WANTED, name: undefined }, CALLER);
  await driver.create(holdKey(newIncarnation()), text('of a newer version'));
  const namesIn = async (from: RepositoryPins, repo: typeof A) => {
    const { pins: found, unreadable } = await from.list(repo, CALLER);
    return [found.map(({ name }) => name), unreadable];
  };
  expect(await namesIn(pins, A)).toEqual([['q3-audit', 'all'], 1]);
  expect(await namesIn(pins, B)).toEqual([[expect.stringMatching(/^page-/), 'all'], 1]);
  expect(await namesIn(pinsWith({ allowsRegistry: () => false }), A)).toEqual([['q3-audit'], 1]);
  clock.advance(30 * DAY + 1);
  expect(await namesIn(pins, A)).toEqual([[], 1]);
});

test('only administrators of a registry that accepts writes pin and unpin, and only what exists', async () => {
  const pins = pinsWith();
  const { id } = await pins.pin(A, WANTED, CALLER);
  const others = pinsWith({ allowsRegistry: () => false });
  expect(await refusalOf(others.pin(A, WANTED, CALLER))).toBe('denied');
  expect(await refusalOf(others.unpin(A, id, CALLER))).toBe('denied');
  expect(await refusalOf(pinsWith({ allows: () => false }).list(A, CALLER))).toBe('name-unknown');
  expect(await refusalOf(pins.pin('no/such' as typeof A, WANTED, CALLER))).toBe('name-unknown');
  expect(await refusalOf(pins.unpin(B, id, CALLER))).toBe('request-invalid');
  isWritable = false;
  expect(await refusalOf(pins.pin(B, { ...WANTED, name: 'x' }, CALLER))).toBe('read-only');
  expect(await refusalOf(pins.unpin(A, id, CALLER))).toBe('read-only');
  expect(await activeHolds(open.driver, open.clock.now())).toHaveLength(1);
});

test('what is unlinked while a pin is created is no part of it', async () => {
  const { driver, newIncarnation, clock } = open;
  const digest = await open.push(A, text('deleted meanwhile'));
  let looks = 0;
  const pins = new RepositoryPins({
    ...{ driver, access: openAccess, newId: newIncarnation, now: () => clock.now(), writesRefused: () => undefined },
    stateOf: async (repo) => {
      // After the slot to pin was read, and before it is read again.
      if (++looks === 3) await open.registry.deleteBlob(A, digest, CALLER);
      return (await foldLog(driver, repo, READ_AHEAD)).state;
    },
  });
  await pins.pin(A, WANTED, CALLER);
  const [hold = expect.unreachable(), ...others] = await activeHolds(driver, clock.now());
  expect(others).toEqual([]);
  expect(hold.logs.get(A)).toBe((await foldLog(driver, A, READ_AHEAD)).state.seq);
});

test('names are valid and unique, pins are bounded in number and time', async () => {
  const pins = pinsWith();
  await pins.pin(A, WANTED, CALLER);
  for (const wanted of [
    WANTED,
    { ...WANTED, name: 'Not Valid' },
    { name: 'x', duration: 0 },
    { name: 'x', duration: Number.POSITIVE_INFINITY },
  ])
    expect(await refusalOf(pins.pin(B, wanted, CALLER))).toBe('request-invalid');
  const name = undefined;
  for (let count = 1; count < MAX_HOLDS / 2; count++) await pins.pin(A, { ...WANTED, name }, CALLER);
  expect(await refusalOf(pins.pin(A, { ...WANTED, name }, CALLER))).toBe('request-invalid');
});
