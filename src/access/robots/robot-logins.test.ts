import { describe, expect, test } from 'bun:test';
import type { Authenticated } from '../authenticator.ts';
import { CredentialJudge } from '../credential-judge.ts';
import { GuessingLimiter } from '../guessing.ts';
import { PasswordChecks } from '../passwords/password-checks.ts';
import type { Robot, RobotName } from './robot.ts';
import { RobotLogins, type RobotOutcome } from './robot-logins.ts';
import { hashSecret, newSecret } from './secret.ts';

const STORE = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
const HERE = { address: '192.0.2.1' };
const START = Date.UTC(2030, 0, 1);
const MINUTE = 60_000;

function opened() {
  const robots = new Map<RobotName, Robot>();
  const now = { now: START, age: 0 };
  const outcomes: RobotOutcome[] = [];
  const judge = new CredentialJudge({
    ...{ checks: new PasswordChecks(1), limiter: new GuessingLimiter(() => now.now), now: () => now.now },
    observe: () => expect.unreachable(),
  });
  const logins = new RobotLogins({
    ...{ robots: () => robots, secrets: STORE, judge },
    ...{ age: () => now.age, now: () => now.now, observe: (outcome) => outcomes.push(outcome) },
  });
  const basic = (...login: Parameters<RobotLogins['basic']>): Authenticated | undefined => {
    const found = logins.basic(...login);
    // The judge is on this thread.
    return found instanceof Promise ? expect.unreachable() : found;
  };
  const add = (text: string, expires?: number): string => {
    const name = text as RobotName;
    const secret = newSecret();
    robots.set(name, {
      ...{
        name,
        secret: hashSecret(STORE, name, secret),
        createdAt: new Date(START).toISOString(),
        createdBy: 'operator:0',
      },
      ...{ rotatedAt: undefined, expires: expires === undefined ? undefined : new Date(expires).toISOString() },
    });
    return secret;
  };
  return { robots, clock: now, outcomes, logins, basic, add };
}

describe('a robot', () => {
  test('logs in as robot+<name> with its secret, with the same object each time', () => {
    const { basic, add, outcomes } = opened();
    const secret = add('ci');
    const found = basic('robot+ci', secret, HERE);
    expect(found).toMatchObject({
      kind: 'known',
      authority: { kind: 'identity', identity: { kind: 'robot', name: 'ci' as RobotName } },
    });
    expect(basic('robot+ci', secret, HERE)).toBe(found);
    expect(outcomes).toEqual(['right', 'right']);
  });

  test('is refused with the secret of another robot, with any other password, and under an unknown name', () => {
    const { basic, add } = opened();
    const secret = add('ci');
    const other = add('other');
    for (const [user, password] of [
      ['robot+ci', other],
      ['robot+ci', ''],
      ['robot+ci', secret.slice(0, -1)],
      ['robot+nobody', secret],
      ['robot+', secret],
      ['robot+CI', secret],
      ['robot+ci\u0000', secret],
    ] as const)
      expect([user, basic(user, password, HERE)?.kind]).toEqual([user, 'refused']);
  });

  test('is not involved in other logins', () => {
    const { basic, add, outcomes } = opened();
    const secret = add('ci');
    for (const user of ['ci', 'robot:ci', 'Robot+ci', '', 'robot']) expect(basic(user, secret, HERE)).toBeUndefined();
    expect(outcomes).toEqual([]);
  });

  test('is refused once it has expired or was revoked', () => {
    const { basic, add, clock, robots } = opened();
    const secret = add('ci', START + MINUTE);
    expect(basic('robot+ci', secret, HERE)?.kind).toBe('known');
    clock.now += MINUTE;
    expect(basic('robot+ci', secret, HERE)).toMatchObject({ kind: 'refused', reason: 'the robot has expired' });
    const lasting = add('lasting');
    expect(basic('robot+lasting', lasting, HERE)?.kind).toBe('known');
    robots.delete('lasting' as RobotName);
    expect(basic('robot+lasting', lasting, HERE)?.kind).toBe('refused');
  });
});

test('a login is accepted again without a check until the robot is rotated, revoked or expired, or this node reads no changes', () => {
  const { basic, add, clock, robots, outcomes } = opened();
  const again = (name: string, expires?: number) => {
    const found = basic(`robot+${name}`, add(name, expires), HERE);
    return (found?.kind === 'known' ? found.acceptAgain : undefined) ?? expect.unreachable();
  };
  const [rotated, revoked, expiring, unread] = [again('a'), again('b'), again('c', START + MINUTE), again('d')];
  for (const each of [rotated, revoked, expiring, unread]) expect(each()).toBe(true);
  expect(outcomes).toEqual(Array(8).fill('right'));
  add('a');
  robots.delete('b' as RobotName);
  clock.now += MINUTE;
  expect([rotated(), revoked(), expiring(), unread()]).toEqual([false, false, false, true]);
  clock.age = 10_001;
  expect(unread()).toBe(false);
});

test('the same wrong secret is refused each time, and counts once', () => {
  const { basic, add, robots } = opened();
  const secret = add('ci');
  robots.clear();
  for (let n = 0; n < 30; n++) expect(basic('robot+ci', secret, HERE)?.kind).toBe('refused');
  for (let n = 0; n < 9; n++) expect(basic('robot+ci', newSecret(), HERE)?.kind).toBe('refused');
  expect(basic('robot+ci', newSecret(), HERE)?.kind).toBe('later');
});

test('many wrong secrets of one client get 429, and the right one still works', () => {
  const { basic, add } = opened();
  const secret = add('ci');
  const kinds = Array.from({ length: 12 }, () => basic('robot+ci', newSecret(), HERE)?.kind);
  expect(kinds).toEqual([...Array(10).fill('refused'), 'later', 'later']);
  expect(basic('robot+ci', secret, HERE)?.kind).toBe('known');
  expect(basic('robot+ci', newSecret(), { address: '192.0.2.2' })?.kind).toBe('refused');
});

describe('a node that has not read the robots', () => {
  test('for ten seconds refuses all logins, right or wrong', () => {
    const { basic, add, clock } = opened();
    const secret = add('ci');
    clock.age = 10_000;
    expect(basic('robot+ci', secret, HERE)?.kind).toBe('known');
    clock.age = 10_001;
    for (const [user, password] of [
      ['robot+ci', secret],
      ['robot+ci', 'wrong'],
      ['robot+nobody', secret],
    ] as const)
      expect(() => basic(user, password, HERE)).toThrow('the registry cannot check robots at the moment');
  });

  test('for five minutes refuses their tokens', () => {
    const { logins, add, clock } = opened();
    add('ci');
    const version = logins.versionOf('ci');
    expect(version).toBeDefined();
    clock.age = 5 * MINUTE;
    expect(logins.versionOf('ci')).toBe(version);
    clock.age++;
    expect(logins.versionOf('ci')).toBeUndefined();
  });
});

describe('the tokens of a robot', () => {
  test('become invalid with its secret, its expiry and the robot', () => {
    const { logins, add, clock, robots } = opened();
    add('ci', START + MINUTE);
    const before = logins.versionOf('ci');
    expect(before).toMatch(/^[0-9a-f]{16}$/);
    add('ci', START + MINUTE);
    expect(logins.versionOf('ci')).toMatch(/^[0-9a-f]{16}$/);
    expect(logins.versionOf('ci')).not.toBe(before);
    clock.now += MINUTE;
    expect(logins.versionOf('ci')).toBeUndefined();
    add('ci');
    expect(logins.versionOf('ci')).toBeDefined();
    robots.delete('ci' as RobotName);
    expect(logins.versionOf('ci')).toBeUndefined();
    expect(logins.versionOf('no name')).toBeUndefined();
  });

  test('are valid for at most five minutes, and no longer than the robot', () => {
    const { logins, add } = opened();
    add('ci');
    add('soon', START + 2 * MINUTE);
    add('now', START + 1_000);
    expect(logins.tokenLifetime('ci', 24 * 60 * MINUTE)).toBe(5 * MINUTE);
    expect(logins.tokenLifetime('ci', 2 * MINUTE)).toBe(2 * MINUTE);
    expect(logins.tokenLifetime('soon', 5 * MINUTE)).toBe(2 * MINUTE);
    expect(logins.tokenLifetime('now', 5 * MINUTE)).toBe(MINUTE);
  });
});
