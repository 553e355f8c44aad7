// The contract of every store of upload sessions.
import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { ALGORITHMS, digestOf } from '../../src/oci/digest.ts';
import {
  type Digest,
  type Incarnation,
  parseUploadId,
  type RepositoryName,
  type UploadId,
} from '../../src/oci/names.ts';
import type { ExpiredUpload, Session, SessionLease, SessionOwner, SessionStore } from '../../src/registry/sessions.ts';
import { countingIncarnations, TestClock } from '../support/deterministic.ts';

/** Age at which sessions of the store under test end, in milliseconds. */
export const SESSION_EXPIRY = 1_000_000;

export interface OpenedSessions {
  readonly store: SessionStore;
  /** The store as another process finds it later, or another node at once. */
  reopen(): Promise<SessionStore>;
  /** Renews all leases, as the timer does. */
  renew(): Promise<void>;
  /** Stores bytes as staged bytes of an upload. */
  leaveBytes(id: UploadId, inc: Incarnation): Promise<void>;
  /** Whether anything of an upload is stored. */
  hasBytes(id: UploadId): Promise<boolean>;
  close(): Promise<void>;
}

export const owner: SessionOwner = { repo: 'team/app' as RepositoryName, actor: 'someone' };
const strangers: SessionOwner[] = [
  { ...owner, actor: 'other' },
  { ...owner, actor: '' },
  { ...owner, repo: 'team/ap' as RepositoryName },
  { repo: 'team' as RepositoryName, actor: 'app\nsomeone' },
];
const unknownId = '01234567-89ab-8def-8123-456789abcdef' as UploadId;
export const digest: Digest = digestOf('sha256', new Uint8Array([1]));
const never = new AbortController().signal;

export function sessionsContract(name: string, open: (clock: TestClock) => Promise<OpenedSessions>): void {
  describe(`sessions on ${name}`, () => {
    const opened: OpenedSessions[] = [];
    let clock: TestClock;
    let current: OpenedSessions;
    let store: SessionStore;
    let newIncarnation: () => Incarnation;
    beforeEach(async () => {
      clock = new TestClock();
      newIncarnation = countingIncarnations(clock.now);
      current = await open(clock);
      opened.push(current);
      store = current.store;
    });
    afterAll(async () => {
      for (const each of opened) await each.close();
    });

    async function leased(id: UploadId, from = store): Promise<SessionLease> {
      const lease = await from.lease(id, owner);
      if (typeof lease === 'string') throw new Error(`the session is ${lease}`);
      return lease;
    }

    /** A session that holds some bytes, as the last request left it. */
    async function withBytes(offset: number): Promise<Session> {
      const { id } = await store.create(owner, 'sha256');
      const lease = await leased(id);
      const inc = newIncarnation();
      await current.leaveBytes(id, inc);
      const session: Session = { ...lease.session, offset, inc, digest };
      await lease.save(session);
      await lease.release();
      return session;
    }

    test.each([...ALGORITHMS])(
      'a new session is empty, has its owner and its creation time, and hashes with %s',
      async (algorithm) => {
        const session = await store.create(owner, algorithm);
        expect(session).toEqual({ ...owner, id: session.id, algorithm, createdAt: clock.now(), offset: 0 });
        expect(parseUploadId(session.id)).toBe(session.id);
        expect(await store.load(session.id, owner)).toEqual(session);
        expect(await (await current.reopen()).load(session.id, owner)).toEqual(session);
      },
    );

    test('each has a unique id', async () => {
      const sessions = await Promise.all(Array.from({ length: 500 }, () => store.create(owner, 'sha256')));
      expect(new Set(sessions.map(({ id }) => id)).size).toBe(500);
      expect([500, undefined]).toContain(store.count());
    });

    test('a saved session is loaded, at once and later by another process', async () => {
      const session = await withBytes(7);
      expect(await store.load(session.id, owner)).toEqual(session);
      clock.advance(SESSION_EXPIRY / 2);
      const later = await current.reopen();
      expect(await later.load(session.id, owner)).toEqual(session);
      const lease = await leased(session.id, later);
      expect(lease.session).toEqual(session);
      await lease.save({ ...lease.session, offset: 9 });
      await lease.release();
      expect((await (await current.reopen()).load(session.id, owner))?.offset).toBe(9);
    });

    test('unsaved changes are not loaded', async () => {
      const session = await withBytes(7);
      await (await leased(session.id)).release();
      expect((await leased(session.id)).session).toEqual(session);
    });

    test('is unknown to every other actor and repository, whether it is new, saved or in use', async () => {
      const { id } = await store.create(owner, 'sha256');
      const saved = await withBytes(7);
      const used = await withBytes(7);
      const lease = await leased(used.id);
      for (const each of [store, await current.reopen()]) {
        for (const stranger of strangers) {
          for (const session of [id, saved.id, used.id, unknownId]) {
            expect(await each.load(session, stranger)).toBeUndefined();
            expect(await each.lease(session, stranger)).toBe('unknown');
          }
        }
      }
      await lease.release();
      // The attempts of strangers took no lease.
      for (const session of [id, saved.id, used.id]) await (await leased(session)).release();
      expect(await store.load(unknownId, owner)).toBeUndefined();
      expect(await store.lease(unknownId, owner)).toBe('unknown');
    });

    test('has one holder at a time, however many requests compete', async () => {
      for (const { id } of [await store.create(owner, 'sha256'), await withBytes(7)]) {
        const leases = await Promise.all(Array.from({ length: 10 }, () => store.lease(id, owner)));
        const held = leases.filter((lease) => typeof lease !== 'string');
        expect(held).toHaveLength(1);
        expect(leases.filter((lease) => lease === 'busy')).toHaveLength(9);
        // Its progress can always be read.
        expect((await store.load(id, owner))?.id).toBe(id);
        for (const lease of held) await lease.release();
        await (await leased(id)).release();
      }
    });

    test('is unknown once it ended, and its bytes are removed, also for another process', async () => {
      for (const { id } of [await store.create(owner, 'sha256'), await withBytes(7)]) {
        const before = store.count();
        const lease = await leased(id);
        await lease.end();
        await lease.release();
        expect(await store.load(id, owner)).toBeUndefined();
        expect(await store.lease(id, owner)).toBe('unknown');
        if (before !== undefined) expect(store.count()).toBe(before - 1);
        expect(await current.hasBytes(id)).toBe(false);
        const later = await (await current.reopen()).load(id, owner);
        expect([later?.offset ?? 0, later?.inc]).toEqual([0, undefined]);
      }
    });

    test('ends at its maximum age, in use or not, and expiry removes its bytes unless they are being written', async () => {
      const [idle, used] = [await withBytes(7), await withBytes(7)];
      const empty = await store.create(owner, 'sha256');
      const lease = await leased(used.id);
      clock.advance(SESSION_EXPIRY);
      const young = await withBytes(7);
      expect(await store.load(idle.id, owner)).toEqual(idle);
      clock.advance(1);
      await current.renew();
      for (const { id } of [idle, used, empty]) expect(await store.load(id, owner)).toBeUndefined();
      expect(await store.lease(idle.id, owner)).toBe('unknown');
      await store.expire(clock.now() - SESSION_EXPIRY, never);
      const left = await Promise.all([idle, used, empty, young].map(({ id }) => current.hasBytes(id)));
      expect(left).toEqual([false, true, false, true]);
      await lease.release();
      await store.expire(clock.now() - SESSION_EXPIRY, never);
      expect(await current.hasBytes(used.id)).toBe(false);
      expect(await store.load(young.id, owner)).toEqual(young);
      expect([1, undefined]).toContain(store.count());
    });

    test('expiry removes leftovers of an earlier process, including bytes without a record', async () => {
      const session = await withBytes(7);
      const { id } = await store.create(owner, 'sha256');
      await current.leaveBytes(id, newIncarnation());
      const later = await current.reopen();
      const ended: ExpiredUpload[] = [];
      await later.expire(clock.now(), never, (upload) => void ended.push(upload));
      expect([await current.hasBytes(session.id), await current.hasBytes(id), ended]).toEqual([true, true, []]);
      await later.expire(clock.now() + 1, never, (upload) => void ended.push(upload));
      expect(ended.map((upload) => upload.id).sort()).toEqual([session.id, id].sort());
      for (const { size } of ended) expect(size).toBeGreaterThan(0);
      expect([await current.hasBytes(session.id), await current.hasBytes(id)]).toEqual([false, false]);
    });

    test('an upload that was closed does not count as expired', async () => {
      const { id } = await withBytes(7);
      const lease = await leased(id);
      await lease.end();
      await lease.release();
      await store.expire(clock.now() + 1, never, () => expect.unreachable());
      expect(await current.hasBytes(id)).toBe(false);
    });

    test('expiry stops when its signal aborts', async () => {
      const session = await withBytes(7);
      const stop = new AbortController();
      stop.abort();
      await store.expire(clock.now() + 1, stop.signal);
      expect(await current.hasBytes(session.id)).toBe(true);
    });
  });
}
