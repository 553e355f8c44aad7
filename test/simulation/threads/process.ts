// One process whose threads are the nodes of a world: the table in shared memory, and the owner of the upload sessions.

import { type Head, Heads } from '../../../src/projection/threads/heads.ts';
import { FileSessions } from '../../../src/registry/file-sessions.ts';
import { type RandomBytes, SessionIds } from '../../../src/registry/session-ids.ts';
import type { RequestSessions } from '../../../src/registry/sessions.ts';
import { type SessionCalls, SessionService, ThreadSessions } from '../../../src/sessions/thread-sessions.ts';
import { changed } from '../bugs.ts';
import type { Machine } from '../machine.ts';
import { STORE } from '../node.ts';
import type { Random } from '../random.ts';
import type { World } from '../world.ts';
import type { ThreadsBug } from './bugs.ts';

/** What the threads of one process share. */
export interface SharedProcess {
  headsOf(machine: Machine): Heads;
  sessionsOf(machine: Machine): RequestSessions;
}

/** The latest arrival of a call between threads, in milliseconds. */
const CALL_MS = 5;

export function openProcess(world: World, bug: ThreadsBug): SharedProcess {
  const { scheduler, setting, memory, happened } = world;
  const random = world.random.child();
  const heads = new Heads(Heads.allocate());
  const randomBytes: RandomBytes = (size) => Buffer.from(Array.from({ length: size }, () => random.between(0, 255)));
  const ids = new SessionIds(STORE, randomBytes);
  const now = (): number => Math.floor(scheduler.now);
  const openSessions = (): FileSessions => new FileSessions({ driver: memory, ids, now, expiry: setting.uploadExpiry });
  const owner = openSessions();
  return {
    headsOf: (machine) => {
      const of: Heads['of'] = (repo) => {
        const head = heads.of(repo);
        return watched(bug.head?.(head, scheduler) ?? head, (what) => happened(what, machine));
      };
      return changed(bug.heads?.(heads) ?? heads, { of });
    },
    sessionsOf: (machine) => {
      const service = new SessionService(bug.isSessionOfThread === true ? openSessions() : owner);
      return new ThreadSessions({ owner: called(service, machine, random), ids, now });
    },
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

/** A service of the owner as a thread calls it. */
function called(service: SessionCalls, machine: Machine, random: Random): SessionCalls {
  const delay = (): Promise<void> => machine.scheduler.sleep(random.next() * CALL_MS);
  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    await delay();
    try {
      return await work();
    } finally {
      await delay();
      // The answer waits until the thread runs.
      if (machine.isHanging) await machine.sleep(0);
    }
  };
  return {
    load: (...args) => call(() => service.load(...args)),
    lease: (...args) => call(() => service.lease(...args)),
    save: (...args) => call(() => service.save(...args)),
    end: (...args) => call(() => service.end(...args)),
    release: (...args) => call(() => service.release(...args)),
  };
}
