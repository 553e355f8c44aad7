// Deliberate bugs in the rules that threads keep (src/projection/threads/heads.ts). They change ports: the code under test contains nothing of them.
import { Follower } from '../../../src/projection/threads/follower.ts';
import type { Count, Head, Heads } from '../../../src/projection/threads/heads.ts';
import { type Bug, changed } from '../bugs.ts';
import type { Focus } from '../faults.ts';
import type { Scheduler } from '../scheduler.ts';

export interface ThreadsBug extends Bug {
  readonly head?: (head: Head, scheduler: Scheduler) => Head;
  readonly heads?: (heads: Heads) => Heads;
  /** Replaces methods of every view's follower during the run. */
  readonly follower?: Partial<Pick<Follower, 'catchUp' | 'count' | 'folded'>>;
  /** Each thread leases sessions by itself. */
  readonly isSessionOfThread?: boolean;
}

const CROWD: Focus = {
  kinds: { hang: 2, kill: 1 },
  steps: { slot: 2, 'read slot': 2, counted: 1 },
  uploads: 0,
  isCrowded: true,
};
/** Longer than an answer takes. */
const LATE_MS = 300;

const { catchUp } = Follower.prototype;

/** The simulation detects each of these; the names describe the bugs. */
export const BUGS = {
  'a slot is counted after it was acknowledged': {
    focus: CROWD,
    head: (head, scheduler) =>
      changed(head, {
        countSlot: (seen) => {
          scheduler.after(LATE_MS, () => void head.countSlot(seen));
          return seen;
        },
      }),
  },
  'a view remembers the count after its look': {
    focus: CROWD,
    follower: {
      async catchUp(this: Follower, slots, view) {
        const found = await Array.fromAsync(slots);
        const again = async function* () {
          yield* found;
        };
        return await catchUp.call(this, again(), view);
      },
    },
  },
  'a thread that finds a slot does not count it': {
    focus: CROWD,
    head: (head) => changed(head, { isAnnounced: false }),
  },
  'a fold of the whole log does not count the slots that it finds': {
    focus: { ...CROWD, kinds: { hang: 3, kill: 1 } },
    follower: { folded: () => {} },
  },
  'a thread that counts remembers its count, though others have counted too': {
    focus: CROWD,
    head: (head) =>
      changed(head, {
        countSlot: (seen) => {
          head.countSlot(seen);
          return head.slots();
        },
      }),
  },
  'the announcement of a creation that was given up expires': {
    focus: { ...CROWD, kinds: { giveUp: 1 }, steps: { 'sending slot': 1, announced: 1 } },
    head: (head, scheduler) => {
      let ended = 0;
      return changed(head, {
        announce: () => {
          head.announce();
          const mine = ++ended;
          scheduler.after(LATE_MS, () => {
            if (mine !== ended) return;
            ended++;
            head.endAnnouncement();
          });
        },
        endAnnouncement: () => {
          if (ended++ % 2 === 0) head.endAnnouncement();
        },
      });
    },
  },
  'a read shares a look that began before it': {
    focus: CROWD,
    follower: { count: () => 0n as Count },
  },
  'the catalog has no count': {
    focus: { ...CROWD, isCrowded: false },
    head: (head) => changed(head, { countExistence: () => {} }),
  },
  'names that have no log are remembered although other threads have created logs': {
    focus: { ...CROWD, isCrowded: false },
    heads: (heads) => {
      const since: Heads['changed']['since'] = (seen) => ({ count: seen, names: [] });
      return changed(heads, { changed: changed(heads.changed, { since }) });
    },
  },
  'a session is leased by two threads': {
    focus: { kinds: { hang: 1 }, steps: { 'sending slot': 1 }, uploads: 0.9, isCrowded: true },
    isSessionOfThread: true,
  },
} as const satisfies Record<string, ThreadsBug>;

export type ThreadsBugName = keyof typeof BUGS;
