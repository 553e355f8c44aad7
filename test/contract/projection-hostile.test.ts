// A stranger writes to the keys of a repository in Redis: malformed values are never served, and never get into the log.
import { describe, expect, test } from 'bun:test';
import { accept } from '../../src/journal/command.ts';
import type { JournalEvent } from '../../src/journal/events.ts';
import { foldLog } from '../../src/journal/log.ts';
import type { Digest, Incarnation, RepositoryName, Tag } from '../../src/oci/names.ts';
import { FEW } from '../support/generators.ts';
import { openProjection } from '../support/projections.ts';
import { catalogOf, type OpenNode, redisWorld } from '../support/redis-projections.ts';
import { REPO } from '../support/slots.ts';
import { setTags } from '../support/writers.ts';

const [digest, subject] = FEW.manifests as [Digest, Digest];
const [blob] = FEW.blobs as [Digest];
const [inc] = FEW.incarnations as [Incarnation];
const tag = 'a' as Tag;
const artifactType = 'application/x.one';
const NEEDS = { blobs: [blob], manifests: [digest], tags: [tag], tagsOf: [digest], references: [blob] };
const world = redisWorld();

const EVENTS: readonly JournalEvent[] = [
  { type: 'blob.linked', digest: blob, size: 5, inc },
  { type: 'manifest.put', digest, size: 7, inc, mediaType: 'm', artifactType, subject, refs: [blob] },
  { type: 'tag.set', tag, digest },
];

async function planted(): Promise<OpenNode> {
  const node = await world.node();
  await node.projection.submit(REPO, { needs: NEEDS, decide: () => accept(undefined, ...EVENTS) });
  await catalogOf(node.projection);
  return node;
}

function meta(): string {
  return `{${world.store}:${REPO}}:meta`;
}

async function keyOf(name: string): Promise<string> {
  return `{${world.store}:${REPO}}:${await world.server.cli('HGET', meta(), 'gen')}:${name}`;
}

/** Every read of the repository agrees with the log. */
async function expectLog({ projection }: OpenNode): Promise<void> {
  const truth = openProjection(world.driver);
  for (const query of [{}, { artifactType }]) {
    expect(await projection.referrers(REPO, subject, query, 10)).toEqual(
      await truth.referrers(REPO, subject, query, 10),
    );
  }
  expect(await projection.manifestByTag(REPO, tag)).toEqual(await truth.manifestByTag(REPO, tag));
  expect(await projection.manifestByDigest(REPO, digest)).toEqual(await truth.manifestByDigest(REPO, digest));
  expect(await projection.blobUse(REPO, blob)).toEqual(await truth.blobUse(REPO, blob));
  expect(await projection.tags(REPO, undefined, 100)).toEqual(await truth.tags(REPO, undefined, 100));
}

/** Commands are decided on the state in the log. */
async function expectFacts({ projection }: OpenNode): Promise<void> {
  const { state } = await foldLog(world.driver, REPO);
  const facts = await projection.submit(REPO, {
    needs: NEEDS,
    decide: (facts) =>
      accept([
        facts.blob(blob),
        facts.manifest(digest),
        facts.tag(tag),
        [...facts.tagsOf(digest)].sort(),
        facts.references(blob),
      ]),
  });
  expect<unknown>(facts).toEqual([
    state.blob(blob),
    state.manifest(digest),
    state.tag(tag),
    [...state.tagsOf(digest)].sort(),
    state.references(blob),
  ]);
}

const json = (change: object): string =>
  `${subject} ${blob}\n${JSON.stringify({ size: 7, inc, mediaType: 'm', artifactType, at: 1, ...change })}`;
const hset =
  (field: string, value: string) =>
  (key: string): string[] => ['HSET', key, field, value];
const zadd =
  (member: string) =>
  (key: string): string[] => ['ZADD', key, '0', member];

const ROWS: readonly (readonly [string, string, (key: string) => string[]])[] = [
  ['a link that is a path', 'blobs', hset(blob, `5 ../../${inc} 1`)],
  ['a link of a negative number of bytes', 'blobs', hset(blob, `-5 ${inc} 1`)],
  ['a link of more bytes than can be counted', 'blobs', hset(blob, `99999999999999999999 ${inc} 1`)],
  ['a link that is empty', 'blobs', hset(blob, '')],
  ['a record that is a path', 'manifests', hset(digest, json({ inc: '../x' }))],
  ['a record with a string as its size', 'manifests', hset(digest, json({ size: '7' }).replace('"7"', '"seven"'))],
  ['a record with no media type', 'manifests', hset(digest, json({ mediaType: null }))],
  ['a record with an object as its type', 'manifests', hset(digest, json({ artifactType: {} }))],
  ['a record with annotations that are not strings', 'manifests', hset(digest, json({ annotations: { a: 1 } }))],
  ['a record without a time', 'manifests', hset(digest, json({ at: 'now' }))],
  ['a record whose subject is not a digest', 'manifests', hset(digest, json({}).replace(subject, 'x'))],
  ['a record whose reference is not a digest', 'manifests', hset(digest, json({}).replace(blob, '../x'))],
  ['a record that is not JSON', 'manifests', hset(digest, `- \n{`)],
  ['a record of one line', 'manifests', hset(digest, 'x')],
  ['a record that is a number', 'manifests', hset(digest, '-\n1')],
  ['a tag that points to something other than a digest', 'tags', hset(tag, '../../x')],
  ['an invalid tag in the list', 'tagz', zadd('../x')],
  ['an invalid tag of a manifest', 'tagged', zadd(`${digest} ../x`)],
  ['a referrer that is not a digest', 'referrers', zadd(`${subject} ../x`)],
];

describe('a malformed view', () => {
  test.each(ROWS)('%s is never served, and the view is rebuilt', async (_, name, change) => {
    const node = await planted();
    await world.server.cli(...change(await keyOf(name)));
    await expectLog(node);
    await world.server.cli(...change(await keyOf(name)));
    await expectFacts(node);
    expect(await world.driver.read(`repos/${REPO}/_log/00000000000000000003`)).toBeUndefined();
  });

  const KINDS = ['tags', 'tagz', 'tagged', 'manifests', 'blobs', 'referrers', 'refs'];

  test.each(KINDS)('with a string instead of %s is healed, by reads and by writes', async (name) => {
    const node = await planted();
    const spoil = async (): Promise<void> => {
      const key = await keyOf(name);
      await world.server.cli('DEL', key);
      await world.server.cli('SET', key, 'x');
    };
    await spoil();
    await expectLog(node);
    await spoil();
    await expectFacts(node);
    await spoil();
    const again: JournalEvent[] = [...EVENTS, { type: 'tag.set', tag: 'b' as Tag, digest }];
    await node.projection.submit(REPO, { needs: NEEDS, decide: () => accept(undefined, ...again) });
    await expectLog(node);
  });

  test.each(['meta', 'heal', 'begun', 'turn', 'line'])('with another type instead of %s is healed', async (name) => {
    const node = await planted();
    const key = `{${world.store}:${REPO}}:${name}`;
    for (const kind of ['SADD', 'SET']) {
      await world.server.cli('DEL', key);
      await world.server.cli(kind, key, 'x');
      // The view must be verified: healing uses each of these keys.
      if (name !== 'meta' && name !== 'turn') await world.server.cli('HDEL', meta(), 'owner');
      if (kind === 'SADD' || name === 'meta') await expectLog(node);
      if (kind === 'SADD' || name === 'meta') await node.projection.submit(REPO, setTags(`t-${kind.toLowerCase()}`));
      await expectFactsAfterTurn(node);
    }
  });

  async function expectFactsAfterTurn(node: OpenNode): Promise<void> {
    // A string is a valid turn or lease of a node that does not exist; it would expire.
    await world.server.cli('DEL', `{${world.store}:${REPO}}:turn`, `{${world.store}:${REPO}}:heal`);
    await expectLog(node);
    await expectFacts(node);
  }

  test.each([
    ['seq', 'x'],
    ['seq', '-1'],
    ['seq', '1.5'],
    ['seq', '99999999999999999999'],
    ['hash', 'x'],
    ['layout', 'x'],
    ['cursor', 'x'],
    ['cursor', '2 x y z'],
    ['intent', 'x'],
    ['intent', '99999'],
  ])('a %s that is %p is healed, by reads and by writes', async (field, value) => {
    const node = await planted();
    const spoil = async (): Promise<void> => {
      const gen = await world.server.cli('HGET', meta(), 'gen');
      const seq = field === 'seq' ? value : await world.server.cli('HGET', meta(), 'seq');
      await world.server.cli('HSET', meta(), 'layout', `2 ${gen} ${seq}`, 'since', 'x', 'due', 'x', field, value);
    };
    await spoil();
    await expectLog(node);
    await spoil();
    await expectFacts(node);
    await spoil();
    await node.projection.submit(REPO, setTags('c'));
    await expectLog(node);
    expect((await foldLog(world.driver, REPO)).state.seq).toBe(2);
  });

  test('is reported once, however many reads are concurrent', async () => {
    const node = await planted();
    await world.server.cli('SET', await keyOf('blobs').then((key) => `${key}`), 'x');
    await world.server.cli('HSET', await keyOf('manifests'), digest, 'x');
    node.observed.length = 0;
    await Promise.all(Array.from({ length: 50 }, () => node.projection.manifestByDigest(REPO, digest)));
    expect(node.observed.filter((each) => each === 'malformed')).toHaveLength(1);
    await expectLog(node);
  });
});

describe('a malformed catalog', () => {
  test.each([
    ['a name that is a path', 'catalog', ['ZADD', '0', '../../x']],
    ['a name that is empty', 'catalog', ['ZADD', '0', '']],
    ['a change that is not a slot', 'changes', ['HSET', REPO, 'x']],
  ] as const)('%s is discarded with it', async (_, key, [command, ...words]) => {
    const node = await planted();
    await world.server.cli(command, `{${world.store}}:${key}`, ...words);
    expect(await catalogOf(node.projection)).toEqual([REPO]);
    await world.server.cli(command, `{${world.store}}:${key}`, ...words);
    const other = 'team/other' as RepositoryName;
    await node.projection.submit(other, setTags('x'));
    await node.projection.submit(REPO, { decide: () => accept(undefined, { type: 'repo.deleted' }) });
    expect(await catalogOf(node.projection)).toEqual([other]);
  });

  test.each(['meta', 'catalog', 'changes'])('with another type instead of %s is discarded', async (name) => {
    const node = await planted();
    const key = `{${world.store}}:${name}`;
    for (const kind of ['SET', 'LPUSH']) {
      await world.server.cli('DEL', key);
      await world.server.cli(kind, key, 'x');
      expect(await catalogOf(node.projection)).toEqual([REPO]);
    }
    await world.server.cli('DEL', key);
    await world.server.cli('SET', key, 'x');
    const other = 'team/other' as RepositoryName;
    await node.projection.submit(other, setTags('x'));
    expect(await catalogOf(node.projection)).toEqual([REPO, other]);
  });
});
