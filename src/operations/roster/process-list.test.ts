import { expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Incarnation } from '../../oci/names.ts';
import { type Announcement, addressOf, announced, announcement } from './announcement.ts';
import { processesOf } from './process-list.ts';
import type { Listed } from './roster.ts';

const NOW = 1_000_000_000;
const HOUR = 3_600_000;

function about(name: string, more: Partial<Announcement> = {}): Announcement {
  return {
    ...{ name, role: 'node', pid: 1, version: '1', threads: 2, started: NOW - HOUR, isDraining: false, jobs: [] },
    ...more,
  };
}

const id = (text: string): Incarnation => text.padStart(26, '0') as Incarnation;

function listed(name: string, silentFor: number, more: Partial<Announcement> = {}): Listed<Announcement> {
  return { id: id(name), silentFor, about: about(name, more) };
}

const OWN = { id: id('ME'), about: about('me') };

test.each([
  [0, false, 'alive'],
  [14_999, false, 'alive'],
  [0, true, 'draining'],
  [15_000, false, 'late'],
  [59_999, true, 'late'],
  [60_000, false, 'gone'],
  [HOUR, true, 'gone'],
] as const)('a process that was not heard for %i ms and drains: %p, is %s', (silentFor, isDraining, state) => {
  const [, other] = processesOf(OWN, [listed('other', silentFor, { isDraining })], NOW);
  expect(other).toMatchObject({ name: 'other', isThis: false, state, silentFor });
});

test('the own process is listed once, as alive, whatever Redis says of it', () => {
  const list = processesOf(OWN, [{ id: OWN.id, silentFor: HOUR, about: about('someone') }], NOW);
  expect(list).toMatchObject([{ name: 'me', isThis: true, state: 'alive' }]);
});

test('nodes come before workers, by name', () => {
  const all = [listed('b', 0, { role: 'worker' }), listed('z', 0), listed('a', 0, { role: 'worker' }), listed('c', 0)];
  const names = processesOf(OWN, all, NOW).map(({ name }) => name);
  expect(names).toEqual(['c', 'me', 'z', 'a', 'b']);
});

test('a killed process is left out once one of its name and role has been started', () => {
  const killed = listed('a', 70_000);
  const names = (again: Partial<Announcement>, name = 'a'): string[] => {
    const other = { id: id('AGAIN'), silentFor: 0, about: about(name, again) };
    return processesOf(OWN, [killed, other], NOW).map(({ id }) => id);
  };
  expect(names({ started: NOW - 65_000 })).not.toContain(killed.id);
  // It ran beside the other one, or is something else.
  expect(names({ started: NOW - HOUR })).toContain(killed.id);
  expect(names({ started: NOW - 65_000, role: 'worker' })).toContain(killed.id);
  expect(names({ started: NOW - 65_000 }, 'b')).toContain(killed.id);
  // Killed right after its start.
  const young = listed('a', 70_000, { started: NOW - 71_000 });
  expect(processesOf(OWN, [young], NOW).map(({ name }) => name)).toEqual(['a', 'me']);
});

/** Any code points, lone surrogates too. */
const texts = fc
  .array(fc.integer({ min: 0, max: 0x10ffff }), { maxLength: 300 })
  .map((points) => String.fromCodePoint(...points));

test('every text becomes one that an announcement may have', () => {
  fc.assert(
    fc.property(texts, fc.string({ maxLength: 50 }), (name, host) => {
      const made = about(announced(name), { address: addressOf('http', host, 5000) });
      expect(announcement.safeParse(JSON.parse(JSON.stringify(made))).success).toBe(true);
    }),
  );
});

test.each([
  ['a time that no date has', { started: 9e15 }],
  ['a negative time', { started: -1 }],
  ['a name that turns the text around it', { name: 'a\u202eb' }],
  ['a name of two lines', { name: 'a\nb' }],
  ['an empty name', { name: '' }],
  ['a long name', { name: 'x'.repeat(256) }],
  ['another role', { role: 'admin' }],
  ['rules that are no hash', { rules: 'x' }],
  ['too many jobs', { jobs: Array.from({ length: 51 }, () => 'x') }],
] as const)('%s is refused', (_, more) => {
  expect(announcement.safeParse({ ...about('a'), ...more }).success).toBe(false);
});

test('fields of a later version are no problem', () => {
  expect(announcement.parse({ ...about('a'), later: 1 })).toEqual(about('a'));
});
