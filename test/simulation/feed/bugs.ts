// Deliberate bugs of the feed (docs/decisions/0084).
import type { RepositoryName } from '../../../src/oci/names.ts';
import { NOTES, repositoryOfLogKey } from '../../../src/storage/paths.ts';
import { changed } from '../bugs.ts';
import type { Focus } from '../faults.ts';
import type { FeedBug } from './feed-node.ts';

const CROWD: Focus = { kinds: { hang: 3, kill: 2 }, steps: { slot: 3, apply: 1 }, uploads: 0, isCrowded: true };
const LATE: Focus = { kinds: { lateSlot: 3, hang: 1 }, steps: { slot: 1 }, uploads: 0, isCrowded: true };

function slotOf(key: string): readonly [RepositoryName, number] | undefined {
  const repo = key.includes('/_log/') ? repositoryOfLogKey(key) : undefined;
  return repo === undefined ? undefined : [repo, Number(key.slice(key.lastIndexOf('/') + 1))];
}

/** The simulation detects each of these; the names describe the bugs. */
export const FEED_BUGS = {
  'a note is believed without a look at the slot': {
    focus: LATE,
    board: (board) => changed(board, { isShared: false }),
    // A writer reports a slot before it is there.
    logs: (driver, hint) =>
      changed(driver, {
        create: async (key, bytes, first) => {
          const slot = slotOf(key);
          if (slot !== undefined) hint(...slot);
          return await driver.create(key, bytes, first);
        },
      }),
  },
  'a writer reports a slot before views show it': {
    focus: CROWD,
    logs: (driver, hint) =>
      changed(driver, {
        create: async (key, bytes, first) => {
          const result = await driver.create(key, bytes, first);
          const slot = slotOf(key);
          if (slot !== undefined && result === 'created') hint(...slot);
          return result;
        },
      }),
  },
  'a sweep notes what the store has, not what views show': {
    focus: CROWD,
    newest: (driver) => async (repo) => {
      let seq = 0;
      for await (const { key } of driver.list(`repos/${repo}/_log/`)) seq = slotOf(key)?.[1] ?? seq;
      return { seq };
    },
  },
  'a note that another process wrote counts as written': {
    focus: CROWD,
    notes: (driver) =>
      changed(driver, {
        create: async (key, bytes, first) => {
          const result = await driver.create(key, bytes, first);
          return key.startsWith(NOTES) ? 'created' : result;
        },
      }),
  },
  'nothing finds what was not reported': { focus: CROWD, neverSweeps: true },
} as const satisfies Record<string, FeedBug & { readonly focus: Focus }>;
