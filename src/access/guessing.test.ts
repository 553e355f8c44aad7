import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { GuessingLimiter } from './guessing.ts';

const LIMITS = { window: 60_000, perAccount: 3, perClient: 10, counters: 100 };

function limiterAt(clock: { now: number }, limits = LIMITS) {
  return new GuessingLimiter(() => clock.now, limits);
}

/** Attempts that stay counted as wrong. @returns how many were allowed */
function guess(limiter: GuessingLimiter, address: string | undefined, account: string, times: number): number {
  let allowed = 0;
  for (let n = 0; n < times; n++) if (limiter.attempt(address, account).kind === 'allowed') allowed++;
  return allowed;
}

describe('guessing', () => {
  test('is refused for one client and one account after some wrong attempts, until the window ends', () => {
    const clock = { now: 1_000 };
    const limiter = limiterAt(clock);
    expect(guess(limiter, '192.0.2.1', 'alice', 5)).toBe(3);
    clock.now += 20_500;
    expect(limiter.attempt('192.0.2.1', 'alice')).toEqual({ kind: 'later', retryAfterSeconds: 40 });
    clock.now += 39_499;
    expect(limiter.attempt('192.0.2.1', 'alice')).toEqual({ kind: 'later', retryAfterSeconds: 1 });
    clock.now += 1;
    expect(guess(limiter, '192.0.2.1', 'alice', 5)).toBe(3);
  });

  test('locks neither the account for other clients, nor other accounts for the client', () => {
    const limiter = limiterAt({ now: 0 });
    guess(limiter, '192.0.2.1', 'alice', 5);
    expect(limiter.attempt('192.0.2.2', 'alice').kind).toBe('allowed');
    expect(limiter.attempt(undefined, 'alice').kind).toBe('allowed');
    expect(limiter.attempt('192.0.2.1', 'bob').kind).toBe('allowed');
  });

  test('counts a /64 network of IPv6 as one client', () => {
    const limiter = limiterAt({ now: 0 });
    guess(limiter, '2001:db8:1:2::1', 'alice', 3);
    expect(limiter.attempt('2001:db8:1:2:ffff::9', 'alice').kind).toBe('later');
    expect(limiter.attempt('2001:db8:1:3::1', 'alice').kind).toBe('allowed');
  });

  test('with many names is also limited per client', () => {
    const limiter = limiterAt({ now: 0 });
    const tried = Array.from({ length: 20 }, (_, n) => guess(limiter, '192.0.2.1', `user${n}`, 1));
    expect(tried.reduce((sum, each) => sum + each, 0)).toBe(10);
  });
});

test('attempts that are taken back do not count, and leave no counters', () => {
  const limiter = limiterAt({ now: 0 });
  for (let n = 0; n < 50; n++) {
    const attempt = limiter.attempt('192.0.2.1', 'alice');
    if (attempt.kind === 'later') throw new Error('it was refused');
    attempt.takeBack();
    attempt.takeBack();
  }
  expect(limiter.size).toBe(0);
});

test('concurrent attempts are limited like consecutive ones', () => {
  const limiter = limiterAt({ now: 0 });
  const attempts = Array.from({ length: 10 }, () => limiter.attempt('192.0.2.1', 'alice'));
  expect(attempts.filter(({ kind }) => kind === 'allowed')).toHaveLength(3);
});

test('in any window a client gets no more wrong attempts than its limits, even if others are taken back', () => {
  const step = fc.record({
    client: fc.constantFrom('192.0.2.1', '192.0.2.2'),
    account: fc.constantFrom('alice', 'bob', 'eve'),
    isRight: fc.boolean(),
    after: fc.nat(20_000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const clock = { now: 0 };
      const limiter = limiterAt(clock);
      const wrong: { client: string; account: string; at: number }[] = [];
      for (const { client, account, isRight, after } of steps) {
        clock.now += after;
        const attempt = limiter.attempt(client, account);
        if (attempt.kind === 'later') {
          // It is refused only where that many were wrong within the last window.
          const recent = wrong.filter((each) => each.client === client && each.at > clock.now - LIMITS.window);
          const same = recent.filter((each) => each.account === account);
          expect(same.length >= LIMITS.perAccount || recent.length >= LIMITS.perClient).toBeTrue();
        } else if (isRight) attempt.takeBack();
        else wrong.push({ client, account, at: clock.now });
      }
      // Windows begin with a wrong attempt, so any stretch of time meets two of them at most.
      for (const { client, account, at } of wrong) {
        const within = wrong.filter((each) => each.client === client && each.at >= at && each.at < at + LIMITS.window);
        expect(within.filter((each) => each.account === account).length).toBeLessThanOrEqual(2 * LIMITS.perAccount);
        expect(within.length).toBeLessThanOrEqual(2 * LIMITS.perClient);
      }
    }),
  );
});

test('the number of counters is bounded, and counters are dropped when their window ends', () => {
  const clock = { now: 0 };
  const limiter = limiterAt(clock);
  for (let n = 0; n < 1_000; n++) guess(limiter, `192.0.${n % 256}.${n >> 8}`, 'alice', 1);
  expect(limiter.size).toBe(LIMITS.counters);
  clock.now += LIMITS.window;
  guess(limiter, '192.0.2.1', 'alice', 1);
  expect(limiter.size).toBe(2);
});
