// The contract of a session store that several nodes use at once.
import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { RegistryError } from '../../src/oci/errors.ts';
import type { UploadId } from '../../src/oci/names.ts';
import type { Session, SessionLease, SessionStore } from '../../src/registry/sessions.ts';
import { countingIncarnations, TestClock } from '../support/deterministic.ts';
import { digest, type OpenedSessions, owner, SESSION_EXPIRY } from './sessions.contract.ts';

const NODES = 3;

type Op =
  | { readonly kind: 'lease' | 'save' | 'end' | 'release'; readonly node: number }
  | { readonly kind: 'pass'; readonly share: number }
  | { readonly kind: 'renew' };

const node = fc.nat({ max: NODES - 1 });
const ops: fc.Arbitrary<Op[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('lease' as const), node }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('save' as const), node }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const), node }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('end' as const), node }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), share: fc.constantFrom(0.5, 1.5) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('renew' as const) }) },
  ),
  { maxLength: 30 },
);

/** @param lapse milliseconds after which a lease that is not renewed can be taken over */
export function sessionNodesContract(
  name: string,
  lapse: number,
  open: (clock: TestClock) => Promise<OpenedSessions>,
): void {
  describe(`sessions of several nodes on ${name}`, () => {
    const opened: OpenedSessions[] = [];
    let clock: TestClock;
    let current: OpenedSessions;
    let one: SessionStore;
    let two: SessionStore;
    beforeEach(async () => {
      clock = new TestClock();
      newIncarnation = countingIncarnations(clock.now);
      current = await open(clock);
      opened.push(current);
      [one, two] = [current.store, await current.reopen()];
    });
    afterAll(async () => {
      for (const each of opened) await each.close();
    });
    let newIncarnation = countingIncarnations(() => 0);

    async function leased(store: SessionStore, id: UploadId): Promise<SessionLease> {
      const lease = await store.lease(id, owner);
      if (typeof lease === 'string') throw new Error(`the session is ${lease}`);
      return lease;
    }

    async function withBytes(offset = 7): Promise<Session> {
      const { id } = await one.create(owner, 'sha256');
      const lease = await leased(one, id);
      const session: Session = { ...lease.session, offset, inc: newIncarnation(), digest, state: '{"parts":[1]}' };
      await lease.save(session);
      await lease.release();
      return session;
    }

    /** The kind of refusal. */
    async function refusal(promise: Promise<unknown>): Promise<string> {
      try {
        await promise;
        return 'none';
      } catch (error) {
        return error instanceof RegistryError ? error.kind : String(error);
      }
    }

    test('what one node saves, another loads, including the driver’s state', async () => {
      const session = await withBytes();
      expect(await two.load(session.id, owner)).toEqual(session);
      const lease = await leased(two, session.id);
      expect([lease.session, lease.takenOver]).toEqual([session, false]);
      const { state: _, digest: __, ...next } = { ...session, offset: 9 };
      await lease.save(next);
      expect(await one.load(session.id, owner)).toEqual(next);
      await lease.release();
    });

    test('one with bytes has one holder, however many requests compete on all nodes', async () => {
      const { id } = await withBytes();
      const stores = [one, two, await current.reopen()];
      for (let round = 0; round < 3; round++) {
        const leases = await Promise.all([...stores, ...stores].map((store) => store.lease(id, owner)));
        const held = leases.filter((lease) => typeof lease !== 'string');
        expect([held.length, leases.filter((lease) => lease === 'busy').length]).toEqual([1, 5]);
        expect(held[0]?.takenOver).toBe(false);
        await held[0]?.release();
      }
    });

    test('of concurrent first requests only one can save', async () => {
      for (let round = 0; round < 5; round++) {
        const { id } = await one.create(owner, 'sha256');
        const leases = await Promise.all([one, two].map((store) => store.lease(id, owner)));
        const saves = leases.map(async (lease, index) => {
          if (typeof lease === 'string') return lease;
          return await refusal(lease.save({ ...lease.session, offset: index + 1, inc: newIncarnation(), digest }));
        });
        const outcomes = await Promise.all(saves);
        expect(outcomes.filter((outcome) => outcome === 'none')).toHaveLength(1);
        expect((await two.load(id, owner))?.offset).toBe(outcomes.indexOf('none') + 1);
        for (const lease of leases) if (typeof lease !== 'string') await lease.release();
        await (await leased(two, id)).release();
      }
    });

    test('a renewed lease is not taken over, however long the request takes', async () => {
      const { id } = await withBytes();
      const lease = await leased(one, id);
      for (let time = 0; time < 5; time++) {
        clock.advance(lapse * 0.6);
        await current.renew();
        expect(await two.lease(id, owner)).toBe('busy');
      }
      await lease.release();
      const next = await leased(two, id);
      expect(next.takenOver).toBe(false);
      await next.release();
    });

    test('one whose holder crashed is taken over once the lease has expired, and then the old holder can change nothing', async () => {
      const session = await withBytes();
      const { id } = session;
      const dead = await leased(one, id);
      clock.advance(lapse - 1);
      expect(await two.lease(id, owner)).toBe('busy');
      clock.advance(2);
      const next = await leased(two, id);
      expect([next.takenOver, next.session]).toEqual([true, session]);
      expect(await refusal(dead.save({ ...session, offset: 100 }))).toBe('upload-busy');
      expect(await refusal(dead.end())).toBe('upload-busy');
      await dead.release();
      expect(await two.load(id, owner)).toEqual(session);
      expect(await (await current.reopen()).lease(id, owner)).toBe('busy');
      const moved = { ...session, inc: newIncarnation(), offset: 8 };
      await next.save(moved);
      await next.release();
      const later = await leased(one, id);
      expect([later.takenOver, later.session]).toEqual([false, moved]);
      await later.release();
    });

    test('one that was taken over and released unchanged is taken over again', async () => {
      const session = await withBytes();
      await leased(one, session.id);
      clock.advance(lapse + 1);
      for (let time = 0; time < 2; time++) {
        const lease = await leased(two, session.id);
        expect(lease.takenOver).toBe(true);
        await lease.release();
      }
    });

    test('one that ended is unknown on all nodes, and its late holder does not bring it back', async () => {
      const session = await withBytes();
      const { id } = session;
      const late = await leased(one, id);
      clock.advance(lapse + 1);
      const next = await leased(two, id);
      await next.end();
      await next.release();
      expect(['upload-busy', 'upload-unknown']).toContain(await refusal(late.save({ ...session, offset: 100 })));
      await late.release();
      clock.advance(lapse + 1);
      for (const store of [one, two, await current.reopen()]) {
        expect(await store.load(id, owner)).toBeUndefined();
        expect(await store.lease(id, owner)).toBe('unknown');
      }
    });

    test('expiry on one node spares a session that another one is writing', async () => {
      const session = await withBytes();
      await current.leaveBytes(session.id, newIncarnation());
      const lease = await leased(one, session.id);
      clock.advance(SESSION_EXPIRY + 1);
      await current.renew();
      const { signal } = new AbortController();
      await two.expire(clock.now() - SESSION_EXPIRY, signal);
      expect(await current.hasBytes(session.id)).toBe(true);
      await lease.release();
      await two.expire(clock.now() - SESSION_EXPIRY, signal);
      expect(await current.hasBytes(session.id)).toBe(false);
    });

    test('after any sequence of operations the last save under the newest lease holds', async () => {
      const stores = [one, two, await current.reopen()];
      await fc.assert(
        fc.asyncProperty(ops, async (some) => {
          let truth: Session | undefined = await withBytes(0);
          const { id } = truth;
          /** The lease that each node was given last, valid or not. */
          const leases: (SessionLease | undefined)[] = stores.map(() => undefined);
          let holder: number | undefined;
          let until = 0;
          let count = 0;
          for (const op of some) {
            if (op.kind === 'pass') {
              clock.advance(lapse * op.share);
            } else if (op.kind === 'renew') {
              await current.renew();
              if (holder !== undefined) until = clock.now() + lapse;
            } else if (op.kind === 'lease') {
              // A node has one request for a session at a time.
              if (leases[op.node] !== undefined) continue;
              const lease = await (stores[op.node] ?? one).lease(id, owner);
              if (truth === undefined) {
                expect(lease).toBe('unknown');
              } else if (holder !== undefined && until > clock.now()) {
                expect(lease).toBe('busy');
              } else {
                if (typeof lease === 'string') throw new Error(`the session is ${lease}`);
                expect(lease.session).toEqual(truth);
                if (holder !== undefined) expect(lease.takenOver).toBe(true);
                leases[op.node] = lease;
                [holder, until] = [op.node, clock.now() + lapse];
              }
            } else {
              const lease = leases[op.node];
              if (lease === undefined) continue;
              const holds = holder === op.node && truth !== undefined;
              if (op.kind === 'save') {
                const next: Session = { ...lease.session, offset: ++count };
                expect((await refusal(lease.save(next))) === 'none').toBe(holds);
                if (holds) [truth, until] = [next, clock.now() + lapse];
              } else {
                if (op.kind === 'end') expect((await refusal(lease.end())) === 'none').toBe(holds);
                if (op.kind === 'end' && holds) truth = undefined;
                await lease.release();
                leases[op.node] = undefined;
                if (holds) holder = undefined;
              }
            }
            expect(await two.load(id, owner)).toEqual(truth);
          }
          for (const lease of leases) await lease?.release();
        }),
        { numRuns: 60 },
      );
    });
  });
}
