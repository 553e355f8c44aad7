import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { changed } from '../../test/simulation/bugs.ts';
import { countingIncarnations, TestClock } from '../../test/support/deterministic.ts';
import { commandOf, type Operation, operations } from '../../test/support/generators.ts';
import { type Image, image, json, mediaTypes } from '../../test/support/oci.ts';
import { type OpenOverview, openOverview } from '../../test/support/overview.ts';
import { openProjection } from '../../test/support/projections.ts';
import { A, B, C, CALLER, type OpenRegistry, openRegistry, refusalOf, tag } from '../../test/support/registry.ts';
import type { AccessPolicy, Caller } from '../access/access.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import { MemoryDriver } from '../storage/memory/driver.ts';
import type { RepositoriesRequest, SearchResult } from './interface.ts';

const DAY = 24 * 3_600_000;
const BY_NAME: RepositoriesRequest = { sort: 'name', limit: 100 };
const STORAGE = { repositories: 100, parts: 100 };

/** Content has the size that its digest says. */
function sized(operation: Operation): Operation {
  if (!('size' in operation)) return operation;
  return { ...operation, size: Number.parseInt(operation.digest.slice(-1), 16) * 10 + 1 };
}

/** Everything that the index says. */
async function dump({ overview }: OpenOverview) {
  const { items } = await overview.repositories(BY_NAME, CALLER);
  const tags = await Promise.all(
    items.map(async ({ name }) => (await overview.tags(name, { sort: 'name', offset: 0, limit: 100 }, CALLER)).items),
  );
  const { repositories, largest } = await overview.storage(STORAGE, CALLER);
  const storage = repositories.map((each) => ({ ...each, parts: inOrder(each.parts) }));
  return { items, tags, totals: await overview.totals(CALLER), storage, largest: inOrder(largest) };
}

/** Of equal size, any may come first. */
function inOrder<T extends { readonly digest: Digest }>(parts: readonly T[]): T[] {
  return parts.toSorted((one, other) => (one.digest < other.digest ? -1 : 1));
}

test('the index says what the logs fold to, whether it follows each change, reads the logs at once, or begins with a state', async () => {
  const steps = fc.array(fc.tuple(fc.constantFrom(A, B, C), operations.map(sized)), { minLength: 1, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(steps, async (happened) => {
      const clock = new TestClock();
      const driver = new MemoryDriver();
      const projection = openProjection(driver, { clock });
      await using followed = openOverview(driver, projection, { now: clock.now });
      await followed.settled();
      const newIncarnation = countingIncarnations(clock.now);
      for (const [repo, operation] of happened) {
        clock.advance(1_000);
        await projection.submit(repo, commandOf(operation, newIncarnation)).catch((error: unknown) => {
          if (!(error instanceof RegistryError)) throw error;
        });
        followed.changed(repo);
        if (clock.now() % 3_000 === 0) await followed.settled();
      }
      await followed.settled();
      const expected = await dump(followed);
      await using read = openOverview(driver, projection, { now: clock.now });
      expect(await dump(read)).toEqual(expected);
      clock.advance(60 * DAY);
      await using begun = openOverview(driver, projection, { now: clock.now });
      const withoutPushes = await dump(begun);
      expect(withoutPushes.totals).toEqual(expected.totals);
      expect([withoutPushes.storage, withoutPushes.largest]).toEqual([expected.storage, expected.largest]);
      // What other repositories have decides what is shared.
      const states = await Promise.all(
        [A, B, C].map(async (repo) => [repo, (await projection.resident(repo)).state] as const),
      );
      const contents = states.map(([repo, state]) => [repo, [...state.blobs, ...state.manifests]] as const);
      for (const [repo, state] of states) {
        const summary = expected.items.find(({ name }) => name === repo);
        expect(summary !== undefined).toBe(state.exists);
        if (summary === undefined) continue;
        const others = new Set(contents.flatMap(([name, all]) => (name === repo ? [] : all.map(([digest]) => digest))));
        const own = [...state.blobs, ...state.manifests];
        const shared = own.reduce((sum, [digest, { size }]) => (others.has(digest) ? sum + size : sum), 0);
        expect([summary.bytes, summary.tags, summary.shared]).toEqual([state.usage.bytes, state.tags.size, shared]);
      }
      const unique = new Map(contents.flatMap(([, all]) => all.map(([digest, { size }]) => [digest, size] as const)));
      expect(expected.totals.stored).toBe([...unique.values()].reduce((sum, size) => sum + size, 0));
      for (const each of [followed, read, begun]) expect(each.failures).toEqual([]);
    }),
    { numRuns: 30 },
  );
}, 300_000);

const [hidden, open] = ['secret/app', 'team/app'] as [RepositoryName, RepositoryName];
const layer = json({ layer: 1 }, mediaTypes.layer);
const labelled = image({
  config: json(
    {
      ...{ os: 'linux', architecture: 'arm64', created: '2029-12-31T00:00:00Z' },
      config: { Labels: { maintainer: 'Ann Example', 'org.opencontainers.image.description': 'The application.' } },
    },
    mediaTypes.config,
  ),
  layers: [layer],
});

async function push(
  { registry, push: pushBlob }: OpenRegistry,
  repo: RepositoryName,
  content: Image,
  ...names: string[]
) {
  for (const { bytes } of content.blobs) await pushBlob(repo, bytes);
  const { bytes, descriptor } = content;
  const pushed = { bytes: new Uint8Array(bytes), contentType: descriptor.mediaType, tags: names.map(tag) };
  await registry.pushManifest(repo, { ...pushed, digest: descriptor.digest as Digest }, CALLER);
}

async function opened(access?: AccessPolicy) {
  const world = openRegistry();
  await push(world, open, labelled, 'v1.10.0', 'v1.9.0', 'latest');
  await push(world, open, image({ subject: labelled.descriptor, artifactType: 'application/spdx+json' }));
  await push(world, open, image(), `${labelled.descriptor.digest.replace(':', '-')}.sig`);
  await push(world, hidden, labelled, 'v1.10.0', 'secret-tag');
  await push(world, 'team/app-two' as RepositoryName, image(), 'one');
  const index = openOverview(world.driver, world.projection, {
    now: world.clock.now,
    ...(access === undefined ? {} : { access }),
  });
  await index.settled();
  return { ...world, ...index, index };
}

const found = (result: SearchResult): string[] =>
  result.hits.map((hit) => {
    if (hit.kind === 'repository') return hit.repository;
    if (hit.kind === 'tag') return `${hit.repository}:${hit.tag}`;
    return hit.kind === 'digest' ? `${hit.repository}@${hit.is}` : `${hit.repository} ${hit.key}=${hit.value}`;
  });
const asked = (text: string) => ({ text, offset: 0, limit: 50 });

describe('a search', () => {
  test('finds repositories before tags before labels, the whole name first', async () => {
    const { overview, index } = await opened();
    await using _ = index;
    const search = async (text: string) => found(await overview.search(asked(text), CALLER));
    expect((await search('app')).slice(0, 3).sort()).toEqual([hidden, open, 'team/app-two'].sort());
    expect((await search('app')).slice(3)).toEqual(
      expect.arrayContaining([expect.stringContaining('=The application.')]),
    );
    expect(await search('latest')).toEqual([`${open}:latest`]);
    expect((await search('V1.')).sort()).toEqual([`${hidden}:v1.10.0`, `${open}:v1.10.0`, `${open}:v1.9.0`].sort());
    expect(await search('1.9')).toEqual([`${open}:v1.9.0`]);
    expect(await search('team/app v1.9')).toEqual([`${open}:v1.9.0`]);
    expect(await search('team/app:v1.9')).toEqual([`${open}:v1.9.0`]);
    expect((await search('ann example')).sort()).toEqual(
      [`${hidden} maintainer=Ann Example`, `${open} maintainer=Ann Example`].sort(),
    );
    expect(await search('')).toEqual([]);
    expect(await search('no such thing')).toEqual([]);
  });

  test('finds digests by their beginning, manifests before blobs', async () => {
    const { overview, index } = await opened();
    await using _ = index;
    const { digest } = labelled.descriptor;
    for (const text of [digest, digest.slice(0, 20), digest.slice('sha256:'.length, 20), `team/app@${digest}`]) {
      const hits = await overview.search(asked(text), CALLER);
      expect(found(hits)).toContain(`${open}@manifest`);
      expect(hits.counts.digests).toBe(2);
    }
    const blob = await overview.search(asked(layer.descriptor.digest), CALLER);
    expect(found(blob).sort()).toEqual([`${hidden}@blob`, `${open}@blob`].sort());
  });

  test('shows the manifest with a label that was pushed last', async () => {
    const { overview, index, registry, clock, ...world } = await opened();
    await using _ = index;
    const [one, other] = [1, 2].map((layers) =>
      image({ layers: [json({ layers }, mediaTypes.layer)], annotations: { 'com.example.team': 'crimson' } }),
    );
    if (one === undefined || other === undefined) return expect.unreachable();
    for (const each of [one, other]) {
      clock.advance(1_000);
      await push({ ...world, registry, clock }, B, each, 'one');
      index.changed(B);
      await index.settled();
      const { hits } = await overview.search(asked('crimson'), CALLER);
      expect(hits).toMatchObject([{ kind: 'label', repository: B, digest: each.descriptor.digest as Digest }]);
    }
  });

  test('finds a push at once, and what is deleted no more', async () => {
    const { overview, index, registry, ...world } = await opened();
    await using _ = index;
    await push({ ...world, registry }, B, image(), 'brand-new');
    index.changed(B);
    expect(found(await overview.search(asked('brand-new'), CALLER))).toEqual([`${B}:brand-new`]);
    await registry.deleteTag(B, tag('brand-new'), undefined, CALLER);
    index.changed(B);
    expect(found(await overview.search(asked('brand-new'), CALLER))).toEqual([]);
  });

  test('takes any text', async () => {
    const { overview, index } = await opened();
    await using _ = index;
    const texts = fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.stringMatching(/^["'%_\\* :@()-]{0,20}$/));
    await fc.assert(fc.asyncProperty(texts, async (text) => void (await overview.search(asked(text), CALLER))));
    expect(found(await overview.search(asked('%'), CALLER))).toEqual([]);
    expect(found(await overview.search(asked('v1_10'), CALLER))).toEqual([]);
  });
});

test('what the caller may not list changes nothing that the caller sees', async () => {
  const may = (_: unknown, repo: RepositoryName): boolean => repo !== hidden;
  const access: AccessPolicy = {
    allows: (caller, _, repo) => may(caller, repo),
    mayPullUnnamed: may,
    mayList: may,
    maySeeAny: () => true,
    allowsRegistry: () => true,
  };
  const restricted = await opened(access);
  await using _ = restricted.index;
  const { overview } = restricted;
  for (const text of ['app', 'v1', 'secret', 'secret-tag', 'ann', layer.descriptor.digest]) {
    const result = await overview.search(asked(text), CALLER);
    expect(JSON.stringify(result)).not.toContain(hidden);
    const { repositories, tags, digests, labels } = result.counts;
    expect(repositories + tags + digests + labels).toBe(result.hits.length);
  }
  const { items } = await overview.repositories(BY_NAME, CALLER);
  expect(items.map(({ name, shared }) => [name, shared])).toEqual([
    [open, 0],
    ['team/app-two' as RepositoryName, 0],
  ]);
  const totals = await overview.totals(CALLER);
  const bytes = items.reduce((sum, each) => sum + each.bytes, 0);
  expect(totals).toMatchObject({ repositories: 2, tags: 5, bytes, stored: bytes, garbage: undefined });
  const storage = await overview.storage(STORAGE, CALLER);
  expect(JSON.stringify(storage)).not.toContain(hidden);
  expect(storage.largest.map(({ sharedWith }) => sharedWith)).not.toContain(1);
  expect((await overview.sharers(layer.descriptor.digest as Digest, open, 10, CALLER)).repositories).toEqual([]);
  expect(await refusalOf(overview.tags(hidden, { sort: 'time', offset: 0, limit: 1 }, CALLER))).toBe('name-unknown');
});

test('a token shows only the repositories that it is for, unless it is for the catalog', async () => {
  const granted = new Set<string>([open]);
  let isForCatalog = false;
  const access: AccessPolicy = {
    allows: (_, _action, repo) => granted.has(repo),
    mayPullUnnamed: () => true,
    mayList: () => true,
    maySeeAny: () => true,
    allowsRegistry: () => isForCatalog,
  };
  const { overview, index } = await opened(access);
  await using _ = index;
  const grants = { allows: () => true, allowsRegistry: () => true };
  const token: Caller = { ...CALLER, authority: { kind: 'own-token', identity: { kind: 'anonymous' }, grants } };
  expect((await overview.totals(token)).repositories).toBe(1);
  isForCatalog = true;
  expect((await overview.totals(token)).repositories).toBe(3);
});

test('tags are sorted by version, described, and without those that attach something', async () => {
  const { overview, index } = await opened();
  await using _ = index;
  const page = await overview.tags(open, { sort: 'version', offset: 0, limit: 10 }, CALLER);
  expect(page.items.map((each) => each.tag as string)).toEqual(['v1.10.0', 'v1.9.0', 'latest']);
  expect(page).toMatchObject({ count: 3, folded: 1, more: false });
  const sizes = [labelled, ...labelled.blobs].map(({ descriptor }) => descriptor.size);
  expect(page.items[0]).toMatchObject({
    ...{ kind: 'image', platforms: ['linux/arm64'], created: '2029-12-31T00:00:00.000Z', by: 'someone@there' },
    ...{ total: sizes.reduce((sum, size) => sum + size), badges: { signed: true, sbom: true, attested: false } },
  });
  const second = await overview.tags(open, { sort: 'name', text: 'V1', offset: 1, limit: 1 }, CALLER);
  expect([second.items.map((each) => each.tag as string), second.more]).toEqual([['v1.9.0'], false]);
});

test('summaries come in pages in every order, with who pushed last and the pushes of each day', async () => {
  const { overview, index, clock, ...world } = await opened();
  await using _ = index;
  clock.advance(2 * DAY);
  await push({ ...world, clock }, C, image(), 'new');
  index.changed(C);
  for (const sort of ['name', 'pushed', 'size'] as const) {
    const all = (await overview.repositories({ sort, limit: 100 }, CALLER)).items.map(({ name }) => name);
    expect(all).toHaveLength(4);
    const paged: RepositoryName[] = [];
    for (let after: string | undefined; ; ) {
      const page = await overview.repositories({ sort, after, limit: 1 }, CALLER);
      paged.push(...page.items.map(({ name }) => name));
      after = page.next;
      if (after === undefined) break;
    }
    expect(paged).toEqual(all);
  }
  const { items } = await overview.repositories({ sort: 'pushed', limit: 2 }, CALLER);
  expect(items[0]).toMatchObject({ name: C, pushed: { by: 'someone@there' } });
  expect(items[0]?.pushes.at(-1)).toBe(1);
  const below = await overview.repositories({ ...BY_NAME, under: 'team' as RepositoryName }, CALLER);
  expect(below.items.find(({ name }) => name === open)).toMatchObject({ description: 'The application.' });
  expect(below.items.find(({ name }) => name === open)?.pushes.at(-3)).toBe(3);
  expect(below.items.map(({ name }) => name as string)).not.toContain(hidden);
  expect(await refusalOf(overview.repositories({ ...BY_NAME, after: 'x' }, CALLER))).toBe('request-invalid');
});

test('an answer that cannot wait for the last writes says so, and calls no repository missing that was just created', async () => {
  const world = openRegistry();
  let readable = Promise.resolve();
  const slow = changed(world.driver, {
    read: async (key) => {
      await readable;
      return await world.driver.read(key);
    },
  });
  await using index = openOverview(slow, world.projection, { patience: 20 });
  await index.settled();
  const { promise, resolve } = Promise.withResolvers<void>();
  readable = promise;
  await push(world, A, image(), 'v1');
  index.changed(A);
  const tags = () => index.overview.tags(A, { sort: 'name', offset: 0, limit: 1 }, CALLER);
  expect(await tags()).toMatchObject({ items: [], isComplete: false });
  expect(await index.overview.totals(CALLER)).toMatchObject({ tags: 0, isComplete: false });
  resolve();
  await index.settled();
  expect(await tags()).toMatchObject({ count: 1, isComplete: true });
  expect(await refusalOf(index.overview.tags(B, { sort: 'name', offset: 0, limit: 1 }, CALLER))).toBe('name-unknown');
});

test('a full disk leaves the index as it was, and later it catches up', async () => {
  const world = openRegistry();
  let hasRoom = true;
  await using index = openOverview(world.driver, world.projection, { hasRoom: () => hasRoom });
  await index.settled();
  hasRoom = false;
  await push(world, A, image(), 'v1');
  index.changed(A);
  expect((await index.overview.totals(CALLER)).tags).toBe(0);
  expect(index.failures).toHaveLength(1);
  hasRoom = true;
  index.changed(A);
  expect((await index.overview.totals(CALLER)).tags).toBe(1);
});
