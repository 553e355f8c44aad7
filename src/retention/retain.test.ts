import { describe, expect, test } from 'bun:test';
import { countingIncarnations } from '../../test/support/deterministic.ts';
import { openProjection } from '../../test/support/projections.ts';
import {
  A,
  ACTOR,
  B,
  C,
  HOUR,
  type OpenRegistry,
  openRegistry,
  refusalOf,
  tag,
  text,
} from '../../test/support/registry.ts';
import { setTags } from '../../test/support/writers.ts';
import { readSlot } from '../journal/log.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import type { Projection } from '../projection/projection.ts';
import { slotKey } from '../storage/paths.ts';
import { parsePolicy } from './policy-file.ts';
import { planAll, type Removed, type RetainPorts, type RetentionProgress, retain } from './retain.ts';

const DAY = 24 * HOUR;
const never = new AbortController().signal;

const POLICY = parsePolicy(`
rules:
  - name: app
    repositories: [team/a, team/b]
    immutable: {tags: [stable]}
    keep: [{tags: [latest]}, {newest: 2, tags: ['v*']}]
    deleteUntagged: 7d
`);

function open() {
  const opened = openRegistry({ policy: POLICY });
  return { ...opened, put: putInto(opened) };
}

function putInto({ registry }: OpenRegistry) {
  return async (number: number, tags: readonly string[], options: { repo?: RepositoryName; refs?: Digest[] } = {}) => {
    const manifests = (options.refs ?? []).map((digest) => ({ mediaType: OCI_INDEX, digest, size: 1 }));
    const bytes = text(
      JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests, annotations: { n: `${number}` } }),
    );
    const repo = options.repo ?? A;
    const pushed = { bytes, contentType: OCI_INDEX, digest: undefined, tags: tags.map(tag) };
    return (await registry.manifests.put(repo, pushed, ACTOR)).digest;
  };
}

function portsOf({ driver, projection, clock }: OpenRegistry, changes: Partial<RetainPorts> = {}): RetainPorts {
  return {
    ...{ driver, projection, policy: POLICY, now: clock.now },
    resident: (repo) => projection.kept(repo),
    pulls: () => () => 0,
    yieldToRequests: async () => {},
    ...changes,
  };
}

/** As a worker: nothing is in its memory. */
function workerPorts(opened: OpenRegistry, changes: Partial<RetainPorts> = {}, number = 1): RetainPorts {
  const { driver, clock } = opened;
  const newId = countingIncarnations(clock.now, 4000 + number);
  const projection = openProjection(driver, { clock, probe: true, newId });
  return portsOf(opened, { projection, resident: () => undefined, ...changes });
}

/** As a registry sees it that has nothing in memory yet. */
function fresh({ driver }: OpenRegistry): OpenRegistry['registry'] {
  return openRegistry({ driver }).registry;
}

async function tagsOf(opened: OpenRegistry, repo = A): Promise<readonly string[]> {
  return (await fresh(opened).listings.tags(repo, { after: undefined, limit: 10_000 })).items;
}

async function has(opened: OpenRegistry, digest: Digest, repo = A): Promise<boolean> {
  const refusal = await refusalOf(Promise.try(() => fresh(opened).manifests.resolve(repo, { kind: 'digest', digest })));
  expect(['none', 'manifest-unknown', 'name-unknown']).toContain(refusal);
  return refusal === 'none';
}

/** Does this once, before a command is submitted. */
function before(projection: Pick<Projection, 'submit'>, first: () => Promise<unknown>): Pick<Projection, 'submit'> {
  let isDone = false;
  return {
    submit: async (repo, command) => {
      if (!isDone) {
        isDone = true;
        await first();
      }
      return await projection.submit(repo, command);
    },
  };
}

describe('retention', () => {
  test('deletes the tags that nothing keeps and no sibling, and their manifests when they were untagged for long enough', async () => {
    const opened = open();
    const removed: Removed[] = [];
    const told: RetentionProgress[] = [];
    const part = await opened.put(10, []);
    const old = await opened.put(1, ['v1', 'old', 'stable'], { refs: [part] });
    for (const [number, name] of ['v2', 'v3', 'x', 'latest'].entries()) {
      opened.clock.advance(HOUR);
      await opened.put(number + 2, [name]);
    }
    await opened.put(1, ['other'], { repo: C });
    const ports = portsOf(opened, { onRemoved: (each) => removed.push(each) });
    const report = await retain(ports, never, (progress) => told.push(progress));
    expect(report).toMatchObject({ repositories: 1, tags: 3, manifests: 0, failures: 0 });
    expect(await tagsOf(opened)).toEqual(['latest', 'stable', 'v2', 'v3']);
    expect(removed).toEqual([{ repo: A, rule: 'app', tags: 3, manifests: 0, bytes: 0 }]);
    expect(told).toEqual([{ done: 0, total: 1, repository: A }]);
    const last = await readSlot(opened.driver, A, 7);
    expect(last?.batch.events).toContainEqual({
      type: 'tag.deleted',
      tag: tag('v1'),
      prev: old,
      actor: 'system:retention',
    });

    opened.clock.advance(7 * DAY);
    expect(await retain(ports, never)).toMatchObject({ tags: 0, manifests: 0 });
    opened.clock.advance(1);
    // The one of the tag x; what stable points to stays with its parts.
    expect(await retain(ports, never)).toMatchObject({ tags: 0, manifests: 1, bytes: expect.any(Number) });
    expect([await has(opened, old), await has(opened, part)]).toEqual([true, true]);
    expect(await retain(ports, never)).toMatchObject({ tags: 0, manifests: 0, bytes: 0 });
    expect(await tagsOf(opened, C)).toEqual(['other']);
  });

  test.each(['beside the registry', 'as a worker'] as const)(
    'loses against a push that comes before its slot, %s',
    async (where) => {
      const opened = open();
      const part = await opened.put(10, []);
      const index = await opened.put(1, [], { refs: [part] });
      const loose = await opened.put(2, []);
      await opened.put(3, ['x', 'y', 'z']);
      opened.clock.advance(8 * DAY);
      const ports = (where === 'as a worker' ? workerPorts : portsOf)(opened);
      const late = before(ports.projection, async () => {
        // The same digest again counts as a push; an index that is used again keeps its parts.
        await opened.put(3, ['v1']);
        await opened.put(4, ['x']);
        await opened.put(5, ['latest'], { refs: [index] });
      });
      const policy = parsePolicy('rules: [{repositories: [team/a], keep: [{pushedWithin: 1d}], deleteUntagged: 7d}]');
      expect(await retain({ ...ports, policy, projection: late }, never)).toMatchObject({ tags: 2, manifests: 1 });
      expect(await tagsOf(opened)).toEqual(['latest', 'v1', 'x']);
      expect([await has(opened, index), await has(opened, part), await has(opened, loose)]).toEqual([
        true,
        true,
        false,
      ]);
    },
  );

  test('does not decide on what is not written yet: it tries again after the others of its slot', async () => {
    const opened = open();
    await opened.put(1, ['x']);
    opened.clock.advance(DAY);
    const { projection } = opened;
    let pushes = 0;
    const crowded: Pick<Projection, 'submit'> = {
      submit: async (repo, command) => {
        // One before it in the same group, three times.
        opened.clock.advance(HOUR);
        const push = pushes++ < 3 ? projection.submit(repo, setTags(`latest`, `v${pushes}`)) : undefined;
        const result = await projection.submit(repo, command);
        await push;
        return result;
      },
    };
    expect(await retain(portsOf(opened, { projection: crowded }), never)).toMatchObject({ tags: 2, failures: 0 });
    expect(await tagsOf(opened)).toEqual(['latest', 'v2', 'v3']);
    expect(pushes).toBeGreaterThan(3);
  });

  test('goes on where a run was stopped, in commands of two hundred', async () => {
    const opened = open();
    for (let first = 0; first < 1_000; first += 250)
      await opened.put(
        1,
        Array.from({ length: 250 }, (_, index) => `t${first + index}`),
      );
    const stop = new AbortController();
    let commands = 0;
    const stopping: Pick<Projection, 'submit'> = {
      submit: (repo, command) => {
        commands++;
        if (commands === 2) stop.abort(new Error('told to stop'));
        return opened.projection.submit(repo, command);
      },
    };
    await expect(retain(portsOf(opened, { projection: stopping }), stop.signal)).rejects.toThrow('told to stop');
    expect(await tagsOf(opened)).toHaveLength(600);
    expect(await retain(workerPorts(opened), never)).toMatchObject({ tags: 600 });
    expect(await tagsOf(opened)).toEqual([]);
  });

  test('of two runs at once deletes each thing once', async () => {
    const opened = open();
    for (const number of [1, 2, 3]) await opened.put(number, [`x${number}`, `y${number}`]);
    opened.clock.advance(DAY);
    const both = await Promise.all([1, 2].map((number) => retain(workerPorts(opened, {}, number), never)));
    expect(both.reduce((sum, { tags }) => sum + tags, 0)).toBe(6);
  });

  test('leaves a repository whose log is broken, says so, and goes on with the others', async () => {
    const opened = open();
    await opened.put(1, ['x']);
    await opened.put(1, ['x'], { repo: B });
    await opened.driver.put(slotKey(A, 1), text('not a slot'));
    const report = await retain(workerPorts(opened), never);
    expect(report).toMatchObject({
      repositories: 2,
      tags: 1,
      failures: 1,
      failed: expect.stringContaining('team/a: slot 1'),
    });
  });

  test('shows what would go without doing it', async () => {
    const opened = open();
    const digest = await opened.put(1, ['x', 'v1']);
    const loose = await opened.put(2, []);
    await opened.put(1, ['x'], { repo: C });
    opened.clock.advance(8 * DAY);
    const found = [];
    for await (const each of planAll(portsOf(opened))) found.push(each);
    expect(found).toEqual([
      {
        repo: A,
        rule: POLICY.rules[0] as NonNullable<(typeof POLICY.rules)[0]>,
        removals: [
          expect.objectContaining({ kind: 'tag', tag: tag('x'), digest }),
          expect.objectContaining({ kind: 'manifest', digest: loose }),
        ],
      },
    ]);
    expect(await tagsOf(opened)).toEqual(['v1', 'x']);
  });
});
