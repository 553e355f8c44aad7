// Deliberate bugs, each of which the simulation detects. They change ports: the code under test contains nothing of them.
import type { Decision } from '../../../src/journal/command.ts';
import { NO_SLOT } from '../../../src/journal/events.ts';
import { RepositoryState } from '../../../src/journal/fold.ts';
import type { Digest, RepositoryName } from '../../../src/oci/names.ts';
import { metaKey } from '../../../src/projection/redis/keys.ts';
import { decodeLink, decodeRecord } from '../../../src/projection/redis/records.ts';
import { decodeList } from '../../../src/registry/condemned.ts';
import type { Key, ListedObject } from '../../../src/storage/driver.ts';
import { dataKey, epochOfCondemnedKey, finalKey, HOLDS } from '../../../src/storage/paths.ts';
import { changed } from '../bugs.ts';
import { STORE } from '../node.ts';
import { HOUR_MS, MINUTE_MS, type Setting } from '../setting.ts';
import type { Plan } from './plan.ts';
import { clocks } from './settings.ts';
import type { CollectionBug, CollectionWorld, CollectorPorts } from './world.ts';

/** A grace so short that a process that pauses for an hour misses all of it. */
const SHORT: Pick<Setting, 'grace' | 'skew' | 'clock'> = { grace: 20 * MINUTE_MS, ...clocks(5 * MINUTE_MS) };
const IN_MEMORY = { views: 'memory', store: 'objects' } as const;

/** Linkers pause, and resume in the middle of a collection. */
const LINKERS: Partial<Plan> = {
  faults: [0, 0],
  linkers: {
    at: { 'head data': 1 },
    until: { 'list data': 3, 'delete condemned': 3 },
    within: { longest: 1 },
    again: 1,
    next: { at: { 'sending slot': 1 }, until: { 'delete data': 1 }, within: { seconds: 1 }, again: 0 },
  },
  late: 1,
};

/** The clock of every other process is ahead, including those of leaders. */
const TWO_TIMES: Pick<Setting, 'clock'> = {
  clock: (_, number) => (number % 2 === 0 ? -1 : 1) * (SHORT.skew / 2),
};

/** A leader pauses before that step, and resumes after something was linked that another leader spared. */
function pauseLeader(at: string): Partial<Plan> {
  return {
    faults: [1, 1],
    kinds: { collectorStops: 1 },
    linkers: { at: { 'head data': 1 }, until: { 'delete condemned': 1 }, within: { longest: 1 }, again: 0 },
    collectors: { at: { [at]: 1 }, until: { never: 1 }, within: { seconds: 1 }, again: 0 },
    late: 1,
  };
}

/** Operators pin often, and clients delete what they pinned. */
const PINS: Partial<Plan> = { faults: [0, 0], pins: 1, late: 0 };

/** Operators make backups often, clients delete, and collections free what nothing holds. */
const BACKUPS: Partial<Plan> = { faults: [0, 0], backups: 1, pins: 0, late: 0 };

/** Changes what a listing of the holds says. */
function listingHolds(
  driver: CollectorPorts['driver'],
  change: (found: ListedObject[]) => readonly ListedObject[],
): CollectorPorts['driver']['list'] {
  return async function* (prefix, after) {
    const found: ListedObject[] = [];
    for await (const each of driver.list(prefix, after)) {
      if (prefix === HOLDS) found.push(each);
      else yield each;
    }
    if (prefix === HOLDS) yield* change(found);
  };
}

export const BUGS = {
  'a link that was decided before a fence is not decided again': {
    setting: { ...SHORT, ...IN_MEMORY },
    plan: LINKERS,
    projection: (projection) =>
      changed(projection, {
        submit: (repo, command) => {
          let first: ReturnType<typeof command.decide> | undefined;
          const links = async (decided: ReturnType<typeof command.decide>) =>
            isLink(await decided) ? decided : undefined;
          const decide: typeof command.decide = async (facts) => {
            const decided = first ?? command.decide(facts);
            first = await links(decided);
            return await decided;
          };
          return projection.submit(repo, { ...command, decide });
        },
      }),
  },
  'no head before a link': {
    setting: { ...SHORT, ...IN_MEMORY },
    plan: LINKERS,
    driver: (driver) => {
      const sizes = new Map<Key, number>();
      return changed(driver, {
        head: async (key) => {
          const found = await driver.head(key);
          if (found !== undefined) sizes.set(key, found.size);
          const size = sizes.get(key);
          // An object that existed once is assumed to exist still.
          return size === undefined ? undefined : { size };
        },
      });
    },
  },
  'final is removed, and created again': {
    setting: { ...SHORT, ...IN_MEMORY, ...TWO_TIMES },
    plan: pauseLeader('sending create final'),
    collector: ({ driver }) => ({
      driver: changed(driver, {
        delete: async (keys) => {
          const failures = await driver.delete(keys);
          const epoch = keys.map(epochOfCondemnedKey).find((id) => id !== undefined);
          return epoch === undefined ? failures : [...failures, ...(await driver.delete([finalKey(epoch)]))];
        },
      }),
    }),
  },
  'a collection trusts Redis': {
    setting: { views: 'redis', store: 'objects' },
    collector: (_, world) => ({ resident: (repo) => stateInRedis(repo, world) }),
  },
  'pins are ignored': {
    setting: { ...SHORT, ...IN_MEMORY },
    plan: PINS,
    collector: ({ driver }) => ({ driver: changed(driver, { list: listingHolds(driver, () => []) }) }),
  },
  'a pin that was created after the scan is ignored': {
    setting: { ...SHORT, ...IN_MEMORY },
    plan: { ...PINS, ...pauseLeader('sending create condemned'), pins: 1, late: 0 },
    collector: ({ driver }) => {
      let known: ListedObject[] | undefined;
      const remembered = (found: ListedObject[]) => {
        known ??= found;
        return known;
      };
      return { driver: changed(driver, { list: listingHolds(driver, remembered) }) };
    },
  },
  'a pin does not wait for rounds that began before it': {
    setting: { ...SHORT, ...IN_MEMORY },
    plan: { ...PINS, ...pauseLeader('sending delete data'), pins: 1, late: 0 },
    hasHastyPins: true,
  },
  'the hold of a backup ends before the copy': {
    setting: { ...SHORT, ...IN_MEMORY },
    // More objects that others delete while the backup has not copied them.
    plan: { ...BACKUPS, late: 2 },
    forgetsHolds: true,
  },
  'deletes come before final': {
    setting: { ...SHORT, ...IN_MEMORY, ...TWO_TIMES },
    plan: pauseLeader('sending delete data'),
    collector: ({ driver }) => ({
      driver: changed(driver, {
        create: async (key, bytes, first) => {
          if (key.endsWith('/final')) await driver.delete(decodeList(bytes).map(dataKey));
          return await driver.create(key, bytes, first);
        },
      }),
    }),
  },
} as const satisfies Record<string, CollectionBug>;

/** Clocks that differ by more than a quarter of the grace: the bound of docs/decisions/0015 is needed. */
export const BAD_CLOCKS: CollectionBug = {
  setting: { ...SHORT, ...IN_MEMORY, ...clocks(HOUR_MS) },
  plan: LINKERS,
};

function isLink(decision: Decision<unknown>): boolean {
  return decision.kind === 'accepted' && decision.events.some(({ type }) => type === 'blob.linked');
}

/** The state of a repository in Redis, taken for that in its log. */
function stateInRedis(repo: RepositoryName, { redis, scheduler, truth }: CollectionWorld): RepositoryState {
  const { keyspace } = redis.master;
  const state = new RepositoryState();
  const meta = metaKey(STORE, repo);
  const of = (kind: string) =>
    keyspace.hash(meta.replace(/meta$/, `${keyspace.hash(meta, scheduler.now).get('gen')}:${kind}`), scheduler.now);
  for (const [digest, text] of of('blobs')) state.blobs.set(digest as Digest, decodeLink(text));
  for (const [digest, text] of of('manifests')) state.restoreManifest(digest as Digest, decodeRecord(text));
  const head = truth.logs.get(repo)?.state;
  state.seq = head?.seq ?? 0;
  state.hash = head?.hash ?? NO_SLOT;
  return state;
}
