// Sessions as the threads of one process have them: over calls to the owner, or over shared memory.

import { afterAll, describe, expect, test } from 'bun:test';
import type { Incarnation } from '../../src/oci/names.ts';
import { FileSessions } from '../../src/registry/file-sessions.ts';
import { SessionIds } from '../../src/registry/session-ids.ts';
import type { SessionStore } from '../../src/registry/sessions.ts';
import { SharedMarks } from '../../src/sessions/shared-marks.ts';
import {
  SESSION_CALLS,
  type SessionCalls,
  SessionService,
  ThreadSessions,
} from '../../src/sessions/thread-sessions.ts';
import type { StorageDriver } from '../../src/storage/driver.ts';
import { stagedKey, uploadPrefix } from '../../src/storage/paths.ts';
import { offer, remote } from '../../src/threads/calls.ts';
import { openTemporaryFolder } from '../support/data-folder.ts';
import { TestClock } from '../support/deterministic.ts';
import { owner, SESSION_EXPIRY, sessionsContract } from './sessions.contract.ts';

const ids = new SessionIds('01ARZ3NDEKTSV4RRFFQ69G5FAV');
const inc = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as Incarnation;

/** The sessions of several threads. */
interface Threads {
  /** As the owner has them. */
  readonly sessions: SessionStore;
  /** As the others have them. */
  readonly stores: readonly SessionStore[];
  readonly close: () => void;
}

/** Opens the sessions of a process. @param count of the threads beside the owner */
type OpenThreads = (clock: TestClock, driver: StorageDriver, count: number) => Threads;

/** Calls in both directions over real ports; both ends are in this thread, because they share the test's clock. */
const openCalling: OpenThreads = (clock, driver, count) => {
  const sessions = new FileSessions({ driver, ids, now: clock.now, expiry: SESSION_EXPIRY });
  const channels = Array.from({ length: count }, () => new MessageChannel());
  const stores = channels.map(({ port1, port2 }): SessionStore => {
    offer<SessionCalls>(port2, new SessionService(sessions));
    const thread = new ThreadSessions({ owner: remote<SessionCalls>(port1, SESSION_CALLS), ids, now: clock.now });
    return {
      create: (who, algorithm) => thread.create(who, algorithm),
      load: (id, who) => thread.load(id, who),
      lease: (id, who) => thread.lease(id, who),
      count: () => thread.count(),
      // Only the owner runs jobs.
      expire: (before, signal, onEnded) => sessions.expire(before, signal, onEnded),
    };
  });
  const close = (): void => {
    for (const { port1 } of channels) port1.close();
  };
  return { sessions, stores, close };
};

const openSharing: OpenThreads = (clock, driver, count) => {
  const memory = SharedMarks.allocate(10);
  const open = (): FileSessions =>
    new FileSessions({ driver, ids, now: clock.now, expiry: SESSION_EXPIRY, marks: new SharedMarks(memory) });
  return { sessions: open(), stores: Array.from({ length: count }, open), close: () => {} };
};

const WAYS: readonly (readonly [string, OpenThreads])[] = [
  ['call the owner', openCalling],
  ['share memory', openSharing],
];

for (const [way, openThreads] of WAYS) {
  sessionsContract(`a filesystem of threads that ${way}`, async (clock) => {
    const folder = await openTemporaryFolder();
    let newest: StorageDriver = folder.driver;
    const closes: (() => void)[] = [];
    const open = (): SessionStore => {
      const { stores, close } = openThreads(clock, newest, 1);
      closes.push(close);
      const [store] = stores;
      if (store === undefined) throw new Error('one store was wanted');
      return store;
    };
    return {
      store: open(),
      reopen: async () => {
        newest = await folder.reopen();
        return open();
      },
      renew: async () => {},
      leaveBytes: (id, inc) => newest.put(stagedKey(id, inc), new Uint8Array([1])),
      hasBytes: async (id) => {
        for await (const _ of newest.list(uploadPrefix(id))) return true;
        return false;
      },
      close: async () => {
        for (const close of closes) close();
        await folder.close();
      },
    };
  });
}

describe.each(WAYS)('sessions of threads that %s', (_way, openThreads) => {
  const closes: (() => Promise<void>)[] = [];
  afterAll(async () => {
    for (const close of closes) await close();
  });

  async function open(count: number): Promise<Threads> {
    const folder = await openTemporaryFolder();
    const threads = openThreads(new TestClock(), folder.driver, count);
    closes.push(async () => {
      threads.close();
      await folder.close();
    });
    return threads;
  }

  test('are never leased twice, whichever threads ask, the owner too', async () => {
    const { sessions, stores } = await open(3);
    const [first] = stores;
    for (let round = 0; round < 50; round++) {
      const session = await first?.create(owner, 'sha256');
      if (session === undefined) return expect.unreachable();
      const answers = await Promise.all(
        [...stores, sessions, ...stores].map((store) => store.lease(session.id, owner)),
      );
      const held = answers.filter((answer) => typeof answer !== 'string');
      expect([held.length, answers.filter((answer) => answer === 'busy').length]).toEqual([1, answers.length - 1]);
      for (const lease of held) await lease.release();
      // Free again, for any of them.
      const next = await stores[round % stores.length]?.lease(session.id, owner);
      expect(typeof next).toBe('object');
      if (typeof next === 'object') await next.release();
    }
  });

  test('go on where another thread has saved them, and end for all', async () => {
    const { sessions, stores } = await open(2);
    const [one, two] = stores;
    if (one === undefined || two === undefined) return expect.unreachable();
    const { id } = await one.create(owner, 'sha256');
    const lease = await one.lease(id, owner);
    if (typeof lease === 'string') return expect.unreachable();
    await lease.save({ ...lease.session, offset: 7 });
    expect(await two.lease(id, owner)).toBe('busy');
    await lease.release();
    expect((await two.load(id, owner))?.offset).toBe(7);
    const again = await two.lease(id, owner);
    if (typeof again === 'string') return expect.unreachable();
    expect(again.session.offset).toBe(7);
    await again.end();
    await again.release();
    for (const store of [one, two, sessions]) {
      expect(await store.load(id, owner)).toBeUndefined();
      expect(await store.lease(id, owner)).toBe('unknown');
    }
  });

  test('are counted where they began, until another thread has ended them', async () => {
    const { sessions, stores } = await open(1);
    const [store] = stores;
    const begun = await Promise.all([1, 2, 3].map(() => sessions.create(owner, 'sha256')));
    expect(sessions.count()).toBe(3);
    const lease = await store?.lease(begun[0]?.id ?? expect.unreachable(), owner);
    if (typeof lease !== 'object') return expect.unreachable();
    await lease.end();
    await lease.release();
    expect(sessions.count()).toBe(2);
  });

  test('that are in use by one thread are not removed by the owner when they expire', async () => {
    const { sessions, stores } = await open(1);
    const [store] = stores;
    const { id } = await sessions.create(owner, 'sha256');
    const lease = await store?.lease(id, owner);
    if (typeof lease !== 'object') return expect.unreachable();
    await lease.save({ ...lease.session, offset: 7, inc });
    await sessions.expire(Number.MAX_SAFE_INTEGER, new AbortController().signal);
    expect((await store?.load(id, owner))?.offset).toBe(7);
    await lease.release();
    await sessions.expire(Number.MAX_SAFE_INTEGER, new AbortController().signal);
    expect((await store?.load(id, owner))?.offset).not.toBe(7);
  });
});
