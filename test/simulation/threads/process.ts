// One process whose threads are the nodes of a world, with the memory that they share.

import { type Head, Heads } from '../../../src/projection/threads/heads.ts';
import { FileSessions } from '../../../src/registry/file-sessions.ts';
import { type RandomBytes, SessionIds } from '../../../src/registry/session-ids.ts';
import type { RequestSessions } from '../../../src/registry/sessions.ts';
import { SharedMarks } from '../../../src/sessions/shared-marks.ts';
import type { MemoryDriver } from '../../../src/storage/memory/driver.ts';
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

/** How long a file operation or a call takes at most, in milliseconds. */
const WORK_MS = 5;
const MAX_REQUESTS = 100;

export function openProcess(world: World, bug: ThreadsBug): SharedProcess {
  const { scheduler, setting, memory, happened } = world;
  const random = world.random.child();
  const heads = new Heads(Heads.allocate());
  const randomBytes: RandomBytes = (size) => Buffer.from(Array.from({ length: size }, () => random.between(0, 255)));
  const ids = new SessionIds(STORE, randomBytes);
  const now = (): number => Math.floor(scheduler.now);
  const marks = SharedMarks.allocate(MAX_REQUESTS);
  return {
    headsOf: (machine) => {
      const of: Heads['of'] = (repo) => {
        const head = heads.of(repo);
        return watched(bug.head?.(head, scheduler) ?? head, (what) => happened(what, machine));
      };
      return changed(bug.heads?.(heads) ?? heads, { of });
    },
    sessionsOf: (machine) => {
      const seen = new SharedMarks(bug.isSessionOfThread === true ? SharedMarks.allocate(MAX_REQUESTS) : marks);
      return new FileSessions({
        ...{ driver: delayed(memory, machine, random), ids, now, expiry: setting.uploadExpiry },
        marks: seen,
      });
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

/** The files of sessions, as a thread reads and writes them: each operation takes time. */
function delayed(memory: MemoryDriver, machine: Machine, random: Random): MemoryDriver {
  const delay = (): Promise<void> => machine.scheduler.sleep(random.next() * WORK_MS);
  const take = async <T>(work: () => Promise<T>): Promise<T> => {
    await delay();
    try {
      return await work();
    } finally {
      await delay();
      // The result waits until the thread runs.
      if (machine.isHanging) await machine.sleep(0);
    }
  };
  return changed(memory, {
    read: (key) => take(() => memory.read(key)),
    put: (key, bytes) => take(() => memory.put(key, bytes)),
    delete: (keys) => take(() => memory.delete(keys)),
    deleteAll: (prefix) => take(() => memory.deleteAll(prefix)),
  });
}
