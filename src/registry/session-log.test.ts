import { describe, expect, test } from 'bun:test';
import { type Fault, FaultyDriver, TestClock } from '../../test/support/deterministic.ts';
import { A, ACTOR, EXPIRY } from '../../test/support/registry.ts';
import { logSessions } from '../../test/support/shared-sessions.ts';
import { digestOf } from '../oci/digest.ts';
import type { Incarnation, UploadId } from '../oci/names.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import { sessionLogPrefix, sessionSlotKey } from '../storage/paths.ts';
import { type LogEntry, SessionLog } from './session-log.ts';
import type { SessionLease, SessionStore } from './sessions.ts';

const owner = { repo: A, actor: ACTOR.id };
const id = '01234567-89ab-8def-8123-456789abcdef' as UploadId;
const inc = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as Incarnation;
const digest = digestOf('sha256', new Uint8Array([1]));
const entry = (by: string, until?: number): LogEntry => ({
  by,
  contested: false,
  ...(until === undefined ? {} : { until }),
});

async function leased(store: SessionStore, session: UploadId): Promise<SessionLease> {
  const lease = await store.lease(session, owner);
  if (typeof lease === 'string') throw new Error(`the session is ${lease}`);
  return lease;
}

describe('the log of a session', () => {
  test('has one writer per slot, and the newest slot is current', async () => {
    const driver = new MemoryDriver();
    const log = new SessionLog(driver, id);
    expect(await log.head()).toBeUndefined();
    expect(await log.append(0, entry('one'))).toBe('appended');
    expect(await log.append(0, entry('two'))).toBe('overtaken');
    expect(await log.append(1, entry('two'))).toBe('appended');
    expect(await log.head()).toEqual({ seq: 2, slots: 2, entry: entry('two') });
  });

  test('treats a trimmed slot as overtaken, because a later writer trimmed it', async () => {
    const log = new SessionLog(new MemoryDriver(), id);
    for (let seq = 0; seq < 5; seq++) await log.append(seq, entry('one', seq));
    await log.trim(5);
    for (let seq = 0; seq < 4; seq++) expect(await log.append(seq, entry('late'))).toBe('overtaken');
    expect((await log.head())?.entry).toEqual(entry('one', 4));
  });

  test('recognizes its own write whose answer was lost', async () => {
    let fault: Fault = 'none';
    const log = new SessionLog(new FaultyDriver(() => fault), id);
    fault = 'after writing';
    expect(await log.append(0, entry('one', 1))).toBe('appended');
    fault = 'before writing';
    expect(await log.append(1, entry('one', 2)).catch(String)).toBe('Error: no answer, nothing was written');
    fault = 'none';
    expect(await log.append(0, entry('one', 3))).toBe('again');
    expect(await log.append(1, entry('one', 3))).toBe('appended');
  });

  test('that cannot be decoded is an error, not an empty session', async () => {
    const driver = new MemoryDriver();
    await driver.put(sessionSlotKey(id, 1), new TextEncoder().encode('{"v":2}'));
    expect(await new SessionLog(driver, id).head().catch(String)).toContain('cannot be read');
  });

  test('stays short, however many requests an upload takes', async () => {
    const driver = new MemoryDriver();
    const store = await logSessions({ driver, clock: new TestClock(), expiry: EXPIRY }).node();
    const session = await store.create(owner, 'sha256');
    let most = 0;
    for (let offset = 1; offset <= 200; offset++) {
      const lease = await leased(store, session.id);
      await lease.save({ ...lease.session, offset, inc, digest });
      await lease.release();
      let slots = 0;
      for await (const _ of driver.list(sessionLogPrefix(session.id))) slots++;
      most = Math.max(most, slots);
    }
    expect(most).toBeLessThan(100);
    expect((await store.load(session.id, owner))?.offset).toBe(200);
    const lease = await leased(store, session.id);
    await lease.end();
    const left: string[] = [];
    for await (const { key } of driver.list(sessionLogPrefix(session.id))) left.push(key);
    expect(left).toHaveLength(1);
  });
});
