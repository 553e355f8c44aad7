import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { RememberedPasswords } from './remembered.ts';

test('a right password needs no check for a minute, and counts as right before until the cache is cleared', () => {
  const clock = { now: 0 };
  const remembered = new RememberedPasswords(() => clock.now);
  const key = remembered.keyOf('alice', 'hash', 'password');
  expect([remembered.isRight(key), remembered.wasRight(key)]).toEqual([false, false]);
  remembered.addRight(key);
  clock.now = 59_999;
  expect([remembered.isRight(key), remembered.wasRight(key)]).toEqual([true, true]);
  clock.now = 60_000;
  expect([remembered.isRight(key), remembered.wasRight(key)]).toEqual([false, true]);
  remembered.addRight(key);
  expect(remembered.isRight(key)).toBeTrue();
  remembered.forget();
  expect([remembered.isRight(key), remembered.wasRight(key)]).toEqual([false, false]);
});

test('a key identifies one name, hash and password', () => {
  const remembered = new RememberedPasswords(() => 0);
  const part = fc.string({ maxLength: 5 }).map((text) => text.replaceAll(':', ''));
  const credentials = fc.tuple(part, part, fc.string({ maxLength: 5 }));
  fc.assert(
    fc.property(credentials, credentials, (one, other) => {
      const isSame = one.every((each, index) => each === other[index]);
      expect(remembered.keyOf(...one) === remembered.keyOf(...other)).toBe(isSame);
    }),
  );
  const elsewhere = new RememberedPasswords(() => 0);
  expect(elsewhere.keyOf('alice', 'hash', 'password')).not.toBe(remembered.keyOf('alice', 'hash', 'password'));
});

test('both tables are bounded: the oldest right passwords and the least recently sent wrong ones are dropped', () => {
  const remembered = new RememberedPasswords(() => 0);
  const keys = Array.from({ length: 10_001 }, (_, n) => remembered.keyOf('alice', 'hash', String(n)));
  const [first, second] = keys;
  if (first === undefined || second === undefined) throw new Error('there are no keys');
  for (const key of keys) remembered.addRight(key);
  expect([remembered.isRight(first), remembered.isRight(second)]).toEqual([false, true]);
  for (const key of keys.slice(0, -1)) remembered.addWrong(key);
  expect(remembered.isWrong(first)).toBeTrue();
  for (const key of keys.slice(-1)) remembered.addWrong(key);
  expect([remembered.isWrong(first), remembered.isWrong(second)]).toEqual([true, false]);
});
