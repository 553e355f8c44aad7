// One process whose threads are the nodes of a world: the table in shared memory, and the owner of the upload sessions.

import { type Head, Heads } from '../../../src/projection/threads/heads.ts';
import { FileSessions } from '../../../src/registry/file-sessions.ts';
import { SessionIds } from '../../../src/registry/session-ids.ts';
import type { SessionLease, SessionStore } from '../../../src/registry/sessions.ts';
import { changed } from '../bugs.ts';
import type { Machine } from '../machine.ts';
import { STORE } from '../node.ts';
import type { Random } from '../random.ts';
import type { Scheduler } from '../scheduler.ts';
import type { World } from '../world.ts';
import type { ThreadsBug } from './bugs.ts';

/** What the threads of one process share. */
export interface SharedProcess {
  headsOf(machine: Machine): Heads;
  sessionsOf(machine: Machine): SessionStore;
}

/** The latest arrival of a call between threads, in milliseconds. */
const CALL_MS = 5;

export function openProcess(world: World, bug: ThreadsBug): SharedProcess {
  const { scheduler, setting, memory, happened } = world;
  const random = world.random.child();
  const heads = new Heads(Heads.allocate());
  const randomBytes = (size: number): Buffer => Buffer.from(Array.from({ length: size }, () => random.between(0, 255)));
  const openSessions = (): SessionStore =>
    new FileSessions({
      driver: memory,
      ids: new SessionIds(STORE, randomBytes),
      now: () => Math.floor(scheduler.now),
      expiry: setting.uploadExpiry,
    });
  const owner = openSessions();
  return {
    headsOf: (machine) => {
      const of: Heads['of'] = (repo) => {
        const head = heads.of(repo);
        return watched(bug.head?.(head, scheduler) ?? head, (what) => happened(what, machine));
      };
      return changed(bug.heads?.(heads) ?? heads, { of });
    },
    sessionsOf: (machine) => called(bug.isSessionOfThread === true ? openSessions() : owner, machine, random),
  };
}

/** Without turns, which save collisions: here they are wanted. */
function watched(head: Head, happened: (what: string) => void): Head {
  return changed(head, {
    take: () => () => {},
    announce: () => {
      head.announce();
      happened('announced');
    },
    countSlot: (seen) => {
      const now = head.countSlot(seen);
      happened('counted');
      return now;
    },
  });
}

/** The sessions of the owner as another thread sees them. */
function called(sessions: SessionStore, machine: Machine, random: Random): SessionStore {
  const { scheduler } = machine;
  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    await delay(scheduler, random);
    const result = await work().finally(() => delay(scheduler, random));
    // Its answer waits until the thread runs.
    if (machine.isHanging) await machine.sleep(0);
    return result;
  };
  const leaseOf = (lease: SessionLease): SessionLease => ({
    ...lease,
    save: (next) => call(() => lease.save(next)),
    end: () => call(() => lease.end()),
    release: () => call(() => lease.release()),
  });
  return {
    create: (...args) => call(() => sessions.create(...args)),
    load: (...args) => call(() => sessions.load(...args)),
    lease: async (...args) => {
      const lease = await call(() => sessions.lease(...args));
      return typeof lease === 'string' ? lease : leaseOf(lease);
    },
    expire: (...args) => call(() => sessions.expire(...args)),
    count: () => sessions.count(),
  };
}

function delay(scheduler: Scheduler, random: Random): Promise<void> {
  return scheduler.sleep(random.next() * CALL_MS);
}
