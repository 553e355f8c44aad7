// Operations of clients, and what must be true after them.
import { ANONYMOUS_CALLER, type Caller } from '../../src/access/access.ts';
import { accept } from '../../src/journal/command.ts';
import type { ErrorKind } from '../../src/oci/errors.ts';
import type { Digest, RepositoryName, Tag } from '../../src/oci/names.ts';
import type { TagCondition } from '../../src/registry/interface.ts';
import { unmetCondition } from '../../src/registry/tag-condition.ts';
import { UploadBody } from '../../src/registry/upload-body.ts';
import type { Expected, Swap, TagOperation } from '../support/linearizability.ts';
import type { Observation, Outcome, PastState } from './history.ts';
import type { SimulatedNode } from './node.ts';
import type { Random } from './random.ts';
import { BLOBS, type Content, MANIFESTS, type ManifestContent, REPOSITORIES, TAGS } from './vocabulary.ts';
import type { TimedOutcome, World } from './world.ts';

/** The actor of a request: its unique label finds the events of the request in the log. */
export function actorOf(label: string): { readonly id: string; readonly label: string } {
  return { id: 'client', label };
}

export function callerOf(label: string): Caller {
  return { ...ANONYMOUS_CALLER, actor: actorOf(label), signal: new AbortController().signal };
}

export interface Operation<T> {
  readonly what: string;
  readonly kind: Observation['kind'];
  readonly run: (node: SimulatedNode, label: string) => Promise<T>;
  /** What the answer claims about the repository; undefined: nothing. */
  readonly holds: (value: T) => Observation['holds'] | undefined;
  readonly refusals: Partial<Record<ErrorKind, Observation['holds']>>;
  readonly hasEvents?: boolean;
  readonly heldBefore?: Observation['heldBefore'];
  /** What the outcome tells about tags. */
  readonly ofTags?: (outcome: Outcome<T>) => readonly (readonly [Tag, TagOperation])[];
}

/** Sends one request and records its answer in the history. */
export async function perform<T>(
  world: World,
  repo: RepositoryName,
  { what, kind, run, holds, refusals, hasEvents, heldBefore, ofTags }: Operation<T>,
  at?: SimulatedNode,
): Promise<TimedOutcome<T>> {
  const number = world.nextNumber();
  const label = `${what} #${number}`;
  const answered = await world.request(`${label} in ${repo}`, (node) => run(node, label), at);
  const { outcome, begin, end } = answered;
  const observe = (claim: Observation['holds'] | undefined, isWritten: boolean): void => {
    if (claim === undefined) return;
    const written = isWritten ? { heldBefore, ...(hasEvents === true ? { hasEvents } : {}) } : {};
    world.history.observations.push({ what: label, repo, kind, begin, end, label, holds: claim, ...written });
  };
  for (const [tag, operation] of ofTags?.(outcome) ?? []) {
    world.history.tags.push({ key: `${repo} ${tag}`, client: number, call: begin, return: end, operation });
  }
  if (outcome.kind === 'ok') observe(holds(outcome.value), true);
  if (outcome.kind === 'refused') {
    const claim = refusals[outcome.error];
    if (claim === undefined) world.history.violated(`${label} in ${repo} was refused: ${outcome.error}`);
    // A refusal changes nothing, so it may be as stale as any read.
    else observe(claim, false);
  }
  return answered;
}

/** A change of tags; nothing if it was refused, because it then changed nothing. */
function changeOf(tags: readonly Tag[], { kind }: Outcome<unknown>, change: Swap): (readonly [Tag, TagOperation])[] {
  if (kind === 'refused') return [];
  return tags.map((tag) => [tag, kind === 'ok' ? change : { ...change, outcome: 'unknown' }]);
}

/** A change of one tag that compares it first. */
function comparedOf(
  tag: Tag,
  outcome: Outcome<unknown>,
  condition: TagCondition | undefined,
  value: Digest | undefined,
): (readonly [Tag, TagOperation])[] {
  const swap: Swap = { kind: 'swap', expected: expectedBy(condition), value, outcome: 'done' };
  if (outcome.kind !== 'refused') return changeOf([tag], outcome, swap);
  if (outcome.error === 'precondition-failed') return [[tag, { ...swap, outcome: 'refused' }]];
  const isMissing = outcome.error === 'manifest-unknown' || outcome.error === 'name-unknown';
  return isMissing ? [[tag, { kind: 'read', outcome: undefined }]] : [];
}

function expectedBy(condition: TagCondition | undefined): Expected {
  switch (condition?.kind) {
    case undefined:
      return 'anything';
    case 'is':
      return condition.digests;
    case 'exists':
      return 'present';
    case 'absent':
      return 'absent';
  }
}

const isAbsent = (state: PastState): boolean => !state.exists;

export function pushBlob(repo: RepositoryName, { digest, bytes }: Content, streamed: boolean): Operation<void> {
  return {
    what: `push blob ${digest.slice(7, 12)}`,
    kind: 'write',
    run: ({ registry, machine }, label) => {
      const source = async function* (): AsyncIterable<Uint8Array> {
        for (let from = 0; from < bytes.length; from += 7) {
          if (streamed) await machine.sleep(10);
          yield bytes.slice(from, from + 7);
        }
      };
      const body = new UploadBody(source(), streamed ? undefined : bytes.length);
      return registry.uploads.monolithic({ repo, caller: callerOf(label) }, digest, body);
    },
    holds: () => (state) => state.blobs.has(digest),
    // Redis lost the session in the meantime.
    refusals: streamed ? { 'upload-unknown': () => true } : {},
  };
}

export function pushManifest(
  repo: RepositoryName,
  manifest: ManifestContent,
  tags: readonly Tag[],
): Operation<unknown> {
  const { digest, bytes, blobs } = manifest;
  return {
    what: `push manifest ${digest.slice(7, 12)} ${tags.join(',')}`,
    kind: 'write',
    run: ({ registry }, label) =>
      registry.manifests.put(repo, { bytes, contentType: undefined, digest, tags }, actorOf(label)),
    holds: () => (state) => state.manifests.has(digest) && tags.every((tag) => state.tags.get(tag) === digest),
    refusals: { 'manifest-references-unknown': (state) => blobs.some((blob) => !state.blobs.has(blob.digest)) },
    ofTags: (outcome) =>
      changeOf(tags, outcome, { kind: 'swap', expected: 'anything', value: digest, outcome: 'done' }),
  };
}

/** Compare-and-set: the push is only acknowledged if the condition held just before it. */
export function pushManifestIf(
  repo: RepositoryName,
  manifest: ManifestContent,
  tag: Tag,
  condition: TagCondition,
): Operation<unknown> {
  const { digest, bytes } = manifest;
  const push = pushManifest(repo, manifest, [tag]);
  const held = (state: PastState) => unmetCondition(condition, tag, state.tags.get(tag)) === undefined;
  return {
    ...push,
    what: `${push.what} if ${condition.kind}`,
    run: ({ registry }, label) =>
      registry.manifests.put(repo, { bytes, contentType: undefined, digest, tags: [tag], condition }, actorOf(label)),
    heldBefore: held,
    refusals: { ...push.refusals, 'precondition-failed': (state) => !held(state) },
    ofTags: (outcome) => comparedOf(tag, outcome, condition, digest),
  };
}

export function mount(repo: RepositoryName, { digest }: Content, from: RepositoryName | undefined): Operation<boolean> {
  return {
    what: `mount ${digest.slice(7, 12)} from ${from ?? 'anywhere'}`,
    kind: 'write',
    run: ({ registry }, label) => registry.linking.mount(repo, digest, from, callerOf(label)),
    holds: (isMounted) => (isMounted ? (state) => state.blobs.has(digest) : undefined),
    refusals: {},
  };
}

/** HEAD: a client that finds the blob need not push it. */
export function findBlob(repo: RepositoryName, { digest }: Content): Operation<unknown> {
  return {
    what: `find blob ${digest.slice(7, 12)}`,
    kind: 'read',
    run: async ({ registry }) => await registry.blobs.renew(repo, digest),
    holds: () => (state) => state.blobs.has(digest),
    // Also if the link could not be renewed.
    refusals: { 'name-unknown': isAbsent, 'blob-unknown': () => true },
  };
}

export function deleteTag(repo: RepositoryName, tag: Tag, condition?: TagCondition): Operation<void> {
  const held = (state: PastState) =>
    condition === undefined || unmetCondition(condition, tag, state.tags.get(tag)) === undefined;
  return {
    what: `delete tag ${tag}`,
    kind: 'write',
    run: ({ registry }, label) => registry.manifests.deleteTag(repo, tag, condition, actorOf(label)),
    holds: () => (state) => !state.tags.has(tag),
    refusals: {
      'name-unknown': isAbsent,
      'manifest-unknown': (state) => !state.tags.has(tag),
      'precondition-failed': (state) => !held(state),
    },
    heldBefore: held,
    hasEvents: true,
    ofTags: (outcome) => comparedOf(tag, outcome, condition ?? { kind: 'exists' }, undefined),
  };
}

export function deleteManifest(repo: RepositoryName, { digest }: Content): Operation<void> {
  return {
    what: `delete manifest ${digest.slice(7, 12)}`,
    kind: 'write',
    run: ({ registry }, label) => registry.manifests.delete(repo, digest, actorOf(label)),
    holds: () => (state) => !state.manifests.has(digest),
    refusals: { 'name-unknown': isAbsent, 'manifest-unknown': (state) => !state.manifests.has(digest) },
    hasEvents: true,
    ofTags: (outcome) =>
      changeOf(TAGS, outcome, { kind: 'swap', expected: [digest], value: undefined, outcome: 'untold' }),
  };
}

export function deleteBlob(repo: RepositoryName, { digest }: Content): Operation<void> {
  const isReferenced = (state: PastState) => [...state.manifests.values()].some(({ refs }) => refs.includes(digest));
  return {
    what: `delete blob ${digest.slice(7, 12)}`,
    kind: 'write',
    run: ({ registry }, label) => registry.blobs.delete(repo, digest, actorOf(label)),
    holds: () => (state) => !state.blobs.has(digest),
    refusals: {
      'name-unknown': isAbsent,
      'blob-unknown': (state) => !state.blobs.has(digest),
      'blob-referenced': isReferenced,
    },
    hasEvents: true,
  };
}

/** The operator's command. */
export function deleteRepository(repo: RepositoryName): Operation<void> {
  return {
    what: 'delete repository',
    kind: 'write',
    run: ({ projection }, label) =>
      projection.submit(repo, {
        decide: (facts) =>
          facts.exists ? accept(undefined, { type: 'repo.deleted', actor: label }) : accept(undefined),
      }),
    holds: () => isAbsent,
    refusals: {},
    ofTags: (outcome) =>
      changeOf(TAGS, outcome, { kind: 'swap', expected: 'anything', value: undefined, outcome: 'untold' }),
  };
}

export function readTag(repo: RepositoryName, tag: Tag): Operation<string> {
  return {
    what: `read tag ${tag}`,
    kind: 'read',
    run: async ({ registry }) => {
      const found = await registry.manifests.resolve(repo, { kind: 'tag', tag });
      await registry.manifests.bytes(found, ANONYMOUS_CALLER);
      return found.digest;
    },
    holds: (digest) => (state) => state.tags.get(tag) === digest,
    refusals: { 'name-unknown': isAbsent, 'manifest-unknown': (state) => state.exists && !state.tags.has(tag) },
    ofTags: (ended) =>
      ended.kind === 'unknown' ? [] : [[tag, { kind: 'read', outcome: ended.kind === 'ok' ? ended.value : undefined }]],
  };
}

export function readManifest(repo: RepositoryName, { digest }: Content): Operation<string> {
  return {
    what: `read manifest ${digest.slice(7, 12)}`,
    kind: 'read',
    run: async ({ registry }) => (await registry.manifests.resolve(repo, { kind: 'digest', digest })).record.inc,
    holds: (inc) => (state) => state.manifests.get(digest)?.inc === inc,
    refusals: { 'name-unknown': isAbsent, 'manifest-unknown': (state) => state.exists && !state.manifests.has(digest) },
  };
}

export function readBlob(repo: RepositoryName, { digest, bytes }: Content): Operation<string> {
  return {
    what: `read blob ${digest.slice(7, 12)}`,
    kind: 'read',
    run: async ({ registry }) => {
      const { content } = await registry.blobs.get(repo, digest, ANONYMOUS_CALLER);
      return content.kind === 'bytes' ? Buffer.from(content.bytes).toString('hex') : content.kind;
    },
    holds: (hex) => (state) => state.blobs.has(digest) && hex === Buffer.from(bytes).toString('hex'),
    refusals: { 'name-unknown': isAbsent, 'blob-unknown': (state) => state.exists && !state.blobs.has(digest) },
  };
}

export function listTags(repo: RepositoryName): Operation<string> {
  return {
    what: 'list tags',
    kind: 'read',
    run: async ({ registry }) => (await registry.listings.tags(repo, { after: undefined, limit: 100 })).items.join(' '),
    holds: (tags) => (state) => state.exists && [...state.tags.keys()].sort().join(' ') === tags,
    refusals: { 'name-unknown': isAbsent },
    ofTags: (ended) => {
      if (ended.kind === 'unknown') return [];
      const listed = ended.kind === 'ok' ? ended.value.split(' ') : [];
      return TAGS.map((tag) => [tag, { kind: 'list', outcome: listed.includes(tag) }]);
    },
  };
}

export function listReferrers(repo: RepositoryName, { digest }: Content): Operation<string> {
  const query = { artifactType: undefined, after: undefined, fits: () => true };
  const referrersIn = (state: PastState) =>
    [...state.manifests].filter(([, { subject }]) => subject === digest).map(([name]) => name);
  return {
    what: `list referrers of ${digest.slice(7, 12)}`,
    kind: 'read',
    run: async ({ registry }, label) => {
      const { items } = await registry.listings.referrers(repo, digest, query, callerOf(label));
      return items.map((item) => item.digest).join(' ');
    },
    holds: (digests) => (state) => referrersIn(state).sort().join(' ') === digests,
    refusals: {},
  };
}

/** Observes every repository. */
export async function listRepositories(world: World, at?: SimulatedNode): Promise<void> {
  const label = `list repositories #${world.nextNumber()}`;
  const list = async ({ registry }: SimulatedNode) =>
    (await registry.listings.repositories({ after: undefined, limit: 100 }, callerOf(label))).items;
  const { outcome, begin, end } = await world.request(label, list, at);
  if (outcome.kind !== 'ok') return;
  for (const repo of REPOSITORIES) {
    const isListed = outcome.value.includes(repo);
    const holds = (state: PastState) => state.exists === isListed;
    world.history.observations.push({ what: `${label} (${repo})`, repo, kind: 'read', begin, end, label, holds });
  }
}

function conditionOf(random: Random): TagCondition {
  if (random.chance(0.3)) return { kind: random.chance(0.7) ? 'absent' : 'exists' };
  return { kind: 'is', digests: MANIFESTS.filter(() => random.chance(0.4)).map(({ digest }) => digest) };
}

/** Any request but the steps of an upload. */
export async function performAny(world: World, repositories: readonly RepositoryName[]): Promise<void> {
  const { random } = world;
  const repo = random.pick(repositories);
  const [blob, manifest, tag] = [random.pick(BLOBS), random.pick(MANIFESTS), random.pick(TAGS)];
  const tags = TAGS.filter(() => random.chance(0.4));
  const kinds = {
    pushImage: 5,
    pushBlob: 3,
    pushStreamed: 1,
    pushManifest: 3,
    pushManifestIf: 3,
    mount: 2,
    deleteTag: 1.5,
    deleteTagIf: 0.5,
    deleteManifest: 1.5,
    deleteBlob: 1.5,
    deleteRepository: 0.4,
    readTag: 3,
    readManifest: 1,
    readBlob: 2,
    listTags: 2,
    listReferrers: 1,
    listRepositories: 1,
  };
  switch (random.weighted(kinds)) {
    case 'pushImage':
      for (const each of manifest.blobs) await perform(world, repo, pushBlob(repo, each, false));
      await perform(world, repo, pushManifest(repo, manifest, [tag]));
      return;
    case 'pushBlob':
      return void (await perform(world, repo, pushBlob(repo, blob, false)));
    case 'pushStreamed':
      return void (await perform(world, repo, pushBlob(repo, blob, true)));
    case 'pushManifest':
      return void (await perform(world, repo, pushManifest(repo, manifest, tags)));
    case 'pushManifestIf':
      return void (await perform(world, repo, pushManifestIf(repo, manifest, tag, conditionOf(random))));
    case 'mount':
      return void (await perform(
        world,
        repo,
        mount(repo, blob, random.chance(0.5) ? random.pick(repositories) : undefined),
      ));
    case 'deleteTag':
      return void (await perform(world, repo, deleteTag(repo, tag)));
    case 'deleteTagIf':
      return void (await perform(world, repo, deleteTag(repo, tag, conditionOf(random))));
    case 'deleteManifest':
      return void (await perform(world, repo, deleteManifest(repo, manifest)));
    case 'deleteBlob':
      return void (await perform(world, repo, deleteBlob(repo, blob)));
    case 'deleteRepository':
      return void (await perform(world, repo, deleteRepository(repo)));
    case 'readTag':
      return void (await perform(world, repo, readTag(repo, tag)));
    case 'readManifest':
      return void (await perform(world, repo, readManifest(repo, manifest)));
    case 'readBlob':
      return void (await perform(world, repo, readBlob(repo, blob)));
    case 'listTags':
      return void (await perform(world, repo, listTags(repo)));
    case 'listReferrers':
      return void (await perform(world, repo, listReferrers(repo, manifest)));
    case 'listRepositories':
      return await listRepositories(world);
  }
}
