import type { Digest, Tag } from '../../src/oci/names.ts';
import type { Projection } from '../../src/projection/projection.ts';
import type { Script } from '../../src/projection/redis/commands.ts';
import type { Fold } from '../../src/projection/redis/ports.ts';
import type { StorageDriver } from '../../src/storage/driver.ts';
import type { Focus } from './faults.ts';

/** A deliberate bug. It is injected from here: the code under test contains nothing of it. */
export interface Bug {
  /** The faults that reveal it soonest. */
  readonly focus?: Focus;
  /** The store does not compare the parts of an upload with the expected ETags, so mixed bytes become visible instead of being refused. */
  readonly ignoresEtags?: boolean;
  /** Replaces a script. */
  readonly script?: (script: Script) => Script;
  readonly driver?: (driver: StorageDriver) => StorageDriver;
  readonly projection?: (projection: Projection, fold: Fold) => Projection;
}

export const NO_BUG: Bug = {};

/** Replaces pieces of one script, which must contain them. */
function patched(name: string, ...changes: readonly (readonly [piece: string, instead: string])[]): Bug {
  const known = new Map<Script, Script>();
  return {
    script: (script) => {
      if (script.name !== name) return script;
      const before = known.get(script);
      if (before !== undefined) return before;
      let { source } = script;
      for (const [piece, instead] of changes) {
        if (!source.includes(piece)) throw new Error(`${name} has no ${piece}: update this injected bug`);
        source = source.replace(piece, () => instead);
      }
      const changed = { ...script, source };
      known.set(script, changed);
      return changed;
    },
  };
}

function focused(kinds: Focus['kinds'], steps: Focus['steps'], uploads = 0.05): Pick<Bug, 'focus'> {
  return { focus: { kinds, steps, uploads, isCrowded: true } };
}

/** A proxy that overrides some members. */
export function changed<T extends object>(object: T, changes: Partial<T>): T {
  return new Proxy(object, {
    get: (target, name) => {
      const value: unknown = Reflect.get(name in changes ? changes : target, name);
      return typeof value === 'function' ? value.bind(name in changes ? changes : target) : value;
    },
  });
}

/** The simulation detects each of these; the names describe the bugs. */
export const BUGS = {
  'a slot is applied without its fence': {
    ...focused({ failOver: 3, restartOld: 1 }, { announce: 1, slot: 2 }),
    ...patched(
      'apply',
      ["if m[2] ~= ARGV[1] or m[3] ~= ARGV[2] then return { 'behind' } end", ''],
      ["if layout ~= LAYOUT or slot ~= ARGV[4] then return { 'alien' } end", ''],
    ),
  },
  'a command without events is acknowledged before the view has caught up': {
    ...focused({ hang: 1, kill: 1 }, { slot: 1 }),
    projection: (projection, fold) =>
      changed(projection, {
        submit: async (repo, command) => {
          // The log is up to date, but readers use the view.
          let early: { readonly result: unknown } | undefined;
          await fold
            .submit(repo, {
              ...command,
              decide: async (facts) => {
                const decision = await command.decide(facts);
                if (decision.kind === 'accepted' && decision.events.length === 0) early = { result: decision.result };
                return { kind: 'accepted', events: [], result: undefined };
              },
            })
            .catch(() => undefined);
          if (early !== undefined) return early.result as never;
          return await projection.submit(repo, command);
        },
      }),
  },
  'the owner is set without comparing': {
    ...focused({ failOver: 1 }, { inspect: 1 }),
    ...patched('own', [
      'if m[1] ~= ARGV[2] or m[2] ~= ARGV[3] or m[4] or whoami() ~= ARGV[1] then return 0 end',
      'ARGV[1] = whoami()',
    ]),
  },
  'generations are switched without comparing': {
    ...focused({ flushAndHang: 4, failOver: 3 }, { 'catalog-mark': 3, build: 3, inspect: 1 }),
    ...patched('switch', [
      'if not isSame or not isWhole or not isMarked or whoami() ~= ARGV[1] then',
      'if not isWhole then',
    ]),
  },
  'a generation is switched in although Redis has lost everything since its log was read': {
    ...focused({ flush: 1 }, { apply: 2, switch: 1 }),
    ...patched('switch', [' or not isMarked', '']),
  },
  'a repository is assumed to have no log because a catalog that was never listed lacks it': {
    ...focused({ flush: 1 }, { apply: 2, switch: 1 }),
    ...patched('catalog-lacks', ["if redis.call('HGET', KEYS[1], 'owner') ~= whoami() then return -1 end", '']),
  },
  'an intent is announced but never checked again': {
    ...focused({ lateSlot: 1 }, { slot: 1 }),
    ...patched('own', [
      "redis.call('HSET', KEYS[1], 'due', ARGV[5])",
      "redis.call('HDEL', KEYS[1], 'intent', 'since', 'due')",
    ]),
  },
  'a condition on a tag is checked outside the log': {
    ...focused({ hang: 1, lateSlot: 1 }, { slot: 1 }),
    projection: (projection) =>
      changed(projection, {
        submit: async (repo, command) => {
          // Every decision sees the tags as they were when the request arrived.
          const seen = new Map<Tag, Digest | undefined>();
          for (const tag of command.needs?.tags ?? []) {
            const found = await projection.manifestByTag(repo, tag);
            seen.set(tag, found.kind === 'known' ? found.value?.digest : undefined);
          }
          return await projection.submit(repo, {
            ...command,
            decide: (facts) => command.decide(changed(facts, { tag: (tag) => seen.get(tag) })),
          });
        },
      }),
  },
  'a deposed holder writes into the same part': {
    ...focused({ depose: 1 }, { 'upload-save': 1, part: 2 }, 0.9),
    ignoresEtags: true,
    driver: (driver) =>
      changed(driver, {
        takeOver: async (place, size, inc) => {
          if (place.state === undefined) return await driver.takeOver(place, size, inc);
          const state = JSON.parse(place.state) as { readonly parts: readonly { readonly n: number }[] };
          // The numbers that the earlier holder reserved are used again.
          const next = Math.max(0, ...state.parts.map(({ n }) => n)) + 1;
          return { ...place, state: JSON.stringify({ ...state, next }) };
        },
      }),
  },
} as const satisfies Record<string, Bug>;
