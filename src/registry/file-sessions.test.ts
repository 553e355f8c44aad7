import { describe, expect, test } from 'bun:test';
import { TestClock } from '../../test/support/deterministic.ts';
import { A, ACTOR, EXPIRY, text } from '../../test/support/registry.ts';
import { digestOf } from '../oci/digest.ts';
import type { Incarnation, UploadId } from '../oci/names.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { sessionKey } from '../storage/paths.ts';
import { FileSessions } from './file-sessions.ts';
import { SessionIds } from './session-ids.ts';
import type { Session } from './sessions.ts';

const owner = { repo: A, actor: ACTOR.id };
const inc = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as Incarnation;

function sessionsOver(driver: MemoryDriver, clock = new TestClock()): FileSessions {
  const ids = new SessionIds('01ARZ3NDEKTSV4RRFFQ69G5FAV');
  return new FileSessions({ driver, ids, now: clock.now, expiry: EXPIRY });
}

async function saved(sessions: FileSessions): Promise<Session> {
  const { id } = await sessions.create(owner, 'sha256');
  const lease = await sessions.lease(id, owner);
  if (typeof lease === 'string') return expect.unreachable();
  const session = { ...lease.session, offset: 5, digest: digestOf('sha256', text('hello')), inc };
  await lease.save(session);
  await lease.release();
  return session;
}

describe('session files', () => {
  test('a session without bytes writes nothing', async () => {
    const driver = new MemoryDriver();
    await sessionsOver(driver).create(owner, 'sha256');
    for await (const { key } of driver.list('uploads/')) expect(key).toBe('nothing');
  });

  test.each<[string, (record: Record<string, unknown>) => unknown]>([
    ['no JSON', () => undefined],
    ['of another session', (record) => ({ ...record, id: '00000000-0000-4000-8000-000000000000' })],
    ['without a repository', ({ repo: _, ...record }) => record],
    ['with a negative offset', (record) => ({ ...record, offset: -1 })],
    ['with a fraction of an offset', (record) => ({ ...record, offset: 1.5 })],
    ['with an unknown algorithm', (record) => ({ ...record, algorithm: 'md5' })],
    ['with no time', (record) => ({ ...record, createdAt: 'now' })],
  ])('a record that is %s is none: the session begins again, the process lives', async (_, damage) => {
    const driver = new MemoryDriver();
    const session = await saved(sessionsOver(driver));
    const record: unknown = JSON.parse(new TextDecoder().decode(await driver.read(sessionKey(session.id))));
    await driver.put(sessionKey(session.id), text(JSON.stringify(damage(record as Record<string, unknown>)) ?? 'torn'));
    const found = await sessionsOver(driver).load(session.id, owner);
    expect(found).toEqual({ ...owner, id: session.id, createdAt: session.createdAt, algorithm: 'sha256', offset: 0 });
  });

  test('a kill while a session ends leaves no record of bytes that are gone', async () => {
    const driver = new MemoryDriver();
    const sessions = sessionsOver(driver);
    const session = await saved(sessions);
    const lease = await sessions.lease(session.id, owner);
    if (typeof lease === 'string') return expect.unreachable();
    driver.deleteAll = () => Promise.reject(new Error('killed'));
    expect(await lease.end().catch(String)).toBe('Error: killed');
    const found = await sessionsOver(driver).load(session.id, owner);
    expect(found?.offset).toBe(0);
  });

  /** The session of an earlier process, a lookup whose answer from the store is delayed, and a lease taken before the answer. */
  async function overtaken() {
    const driver = new MemoryDriver();
    const session = await saved(sessionsOver(driver));
    const sessions = sessionsOver(driver);
    const read = driver.read.bind(driver);
    const { promise, resolve } = Promise.withResolvers<void>();
    driver.read = async (key) => {
      const bytes = await read(key);
      await promise;
      return bytes;
    };
    const slow = sessions.load(session.id, owner);
    await new Promise((done) => setImmediate(done));
    driver.read = read;
    const lease = await sessions.lease(session.id, owner);
    if (typeof lease === 'string') return expect.unreachable();
    return { sessions, session, slow, answer: resolve, lease };
  }

  test('a lookup that is slower than the end of the session does not restore it', async () => {
    const { sessions, slow, answer, lease } = await overtaken();
    await lease.end();
    await lease.release();
    answer();
    expect(await slow).toBeUndefined();
    expect(sessions.count()).toBe(0);
  });

  test('a lookup that is slower than a write to the session does not revert it', async () => {
    const { sessions, session, slow, answer, lease } = await overtaken();
    const next = { ...session, offset: 10 };
    await lease.save(next);
    await lease.release();
    answer();
    expect(await slow).toEqual(next);
    expect(await sessions.load(session.id, owner)).toEqual(next);
  });

  test('a store that does not answer leaves no lease behind', async () => {
    const driver = new MemoryDriver();
    const { id } = await saved(sessionsOver(driver));
    const sessions = sessionsOver(driver);
    const read = driver.read.bind(driver);
    driver.read = () => Promise.reject(new Error('no answer'));
    expect(await sessions.lease(id, owner).catch(String)).toBe('Error: no answer');
    driver.read = read;
    expect(await sessions.lease(id, owner)).toHaveProperty('session');
  });

  test('an object under uploads/ that is not an upload is not touched', async () => {
    const driver = new MemoryDriver();
    await driver.put('uploads/README', text('x'));
    await driver.put('uploads/not-an-id/file', text('x'));
    await sessionsOver(driver).expire(Number.MAX_SAFE_INTEGER, new AbortController().signal);
    expect(await driver.head('uploads/README')).toBeDefined();
    expect(await driver.head('uploads/not-an-id/file')).toBeDefined();
    expect(await sessionsOver(driver).load('uploads' as UploadId, owner)).toBeUndefined();
  });
});
