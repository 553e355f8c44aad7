import { expect, test } from 'bun:test';
import { parseUploadId, type UploadId } from '../oci/names.ts';
import { BegunSessions } from './begun-sessions.ts';

const EXPIRY_MS = 1_000;

function opened() {
  const ended = new Set<UploadId>();
  const clock = { now: 0 };
  const begun = new BegunSessions({
    marks: { hasEnded: (id) => ended.has(id) },
    isExpired: (createdAt) => clock.now - createdAt > EXPIRY_MS,
  });
  const begin = (): UploadId => {
    const id = parseUploadId(crypto.randomUUID());
    if (id === undefined) throw new Error('the library made an id that is none');
    begun.add({ id, createdAt: clock.now });
    return id;
  };
  return { begun, begin, ended, clock };
}

test('open sessions are counted, also after some have ended in any thread or have expired', () => {
  const { begun, begin, ended, clock } = opened();
  const [first, second] = [begin(), begin(), begin()];
  ended.add(first);
  begun.delete(second);
  expect(begun.count()).toBe(1);
  clock.now = EXPIRY_MS + 1;
  begin();
  expect(begun.count()).toBe(1);
});

test('sessions that other threads have ended are forgotten although nobody counts', () => {
  const { begun, begin, ended } = opened();
  const open = Array.from({ length: 100 }, begin);
  for (let index = 0; index < 20_000; index++) ended.add(begin());
  expect(begun.size).toBeLessThan(3 * open.length);
  expect(begun.count()).toBe(open.length);
});

test('sessions that nobody ends are forgotten once they have expired', () => {
  const { begun, begin, clock } = opened();
  for (let index = 0; index < 1_000; index++) begin();
  clock.now = EXPIRY_MS + 1;
  for (let index = 0; index < 2_000; index++) begin();
  expect(begun.size).toBe(2_000);
});

test('of very many sessions the oldest are forgotten', () => {
  const { begun, begin } = opened();
  for (let index = 0; index < 100_050; index++) begin();
  expect(begun.size).toBe(100_000);
});
