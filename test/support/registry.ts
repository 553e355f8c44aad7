// The whole domain over the memory driver, with a clock, names and background work that the test controls.
import type { AccessPolicy, Actor, Caller } from '../../src/access/access.ts';
import { openAccess } from '../../src/access/access.ts';
import { ANONYMOUS_AUTHORITY } from '../../src/access/authority.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { type ErrorKind, RegistryError } from '../../src/oci/errors.ts';
import type { Digest, Incarnation, RepositoryName, Tag } from '../../src/oci/names.ts';
import { finish } from '../../src/oci/strict-json.ts';
import type { MemoryProjection, MemoryProjectionPorts } from '../../src/projection/memory.ts';
import { ContentCache } from '../../src/registry/content-cache.ts';
import { FileSessions } from '../../src/registry/file-sessions.ts';
import { NO_POLICY, type RepositoryPolicy } from '../../src/registry/policy.ts';
import { SealedPositions } from '../../src/registry/sealed-position.ts';
import { SessionIds } from '../../src/registry/session-ids.ts';
import type { SessionStore } from '../../src/registry/sessions.ts';
import { StoreRegistry } from '../../src/registry/store-registry.ts';
import { UploadBody } from '../../src/registry/upload-body.ts';
import type { StorageDriver } from '../../src/storage/driver.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';
import { condemnedKey, dataKey } from '../../src/storage/paths.ts';
import { countingIncarnations, TestClock } from './deterministic.ts';
import { openProjection } from './projections.ts';

const STORE = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
export const HOUR = 3_600_000;
export const GRACE = 24 * HOUR;
export const EXPIRY = 7 * 24 * HOUR;
export const ACTOR: Actor = { id: 'someone', label: 'someone@there' };
export const OTHER_ACTOR: Actor = { id: 'other', label: 'other@there' };
export const CALLER: Caller = {
  actor: ACTOR,
  authority: ANONYMOUS_AUTHORITY,
  signal: new AbortController().signal,
};
export const [A, B, C] = ['team/a', 'team/b', 'team/c'].map((name) => name as RepositoryName) as [
  RepositoryName,
  RepositoryName,
  RepositoryName,
];

export interface OpenRegistry {
  readonly registry: StoreRegistry;
  readonly driver: StorageDriver;
  readonly projection: MemoryProjection;
  readonly sessions: SessionStore;
  readonly clock: TestClock;
  readonly newIncarnation: () => Incarnation;
  /** Runs the background work. @returns its descriptions */
  settle(): Promise<string[]>;
  /** The incarnation that the repository links; undefined if it has no such blob. */
  linkOf(repo: RepositoryName, digest: Digest): Promise<Incarnation | undefined>;
  /** Names these incarnations in an open round of collection. */
  condemn(...incarnations: readonly Incarnation[]): Promise<string>;
  /** Keys of all data objects. */
  dataKeys(): Promise<string[]>;
  /** Pushes a blob in one request. */
  push(repo: RepositoryName, bytes: Uint8Array): Promise<Digest>;
}

export function openRegistry(
  options: {
    readonly driver?: StorageDriver;
    readonly access?: AccessPolicy;
    readonly clock?: TestClock;
    readonly number?: number;
    readonly policy?: RepositoryPolicy;
    readonly grace?: number;
    /** Other nodes write to the same store. */
    readonly probe?: boolean;
    readonly onUsage?: MemoryProjectionPorts['onUsage'];
    /** Sessions that nodes share; by default those of one node. */
    readonly sessions?: SessionStore;
  } = {},
): OpenRegistry {
  const { driver = new MemoryDriver(), access = openAccess, clock = new TestClock(), number = 1 } = options;
  const newIncarnation = countingIncarnations(clock.now, number);
  const projection = openProjection(driver, {
    clock,
    newId: countingIncarnations(clock.now, 1000 + number),
    probe: options.probe ?? false,
    ...(options.onUsage === undefined ? {} : { onUsage: options.onUsage }),
  });
  const ids = new SessionIds(STORE);
  const sessions = options.sessions ?? new FileSessions({ driver, ids, now: clock.now, expiry: EXPIRY });
  const waiting: { what: string; work: () => Promise<void> }[] = [];
  const registry = new StoreRegistry({
    ...{ driver, projection, sessions, access, newIncarnation },
    positions: new SealedPositions(STORE),
    cache: new ContentCache(1_000_000),
    openBlob: ({ inc }) => driver.open(dataKey(inc)),
    now: clock.now,
    grace: options.grace ?? GRACE,
    redirectFor: undefined,
    parse: (_, steps) => finish(steps),
    policy: options.policy ?? NO_POLICY,
    runInBackground: (what, work) => waiting.push({ what, work }),
  });
  return {
    ...{ registry, driver, projection, sessions, clock, newIncarnation },
    async settle() {
      const work = waiting.splice(0);
      for (const each of work) await each.work();
      return work.map(({ what }) => what);
    },
    async linkOf(repo, digest) {
      const answer = await projection.blob(repo, digest);
      return answer.kind === 'known' ? answer.value?.inc : undefined;
    },
    async condemn(...incarnations) {
      const key = condemnedKey(newIncarnation());
      const lines = [...incarnations].sort().map((inc) => `${inc}\n`);
      await driver.create(key, new TextEncoder().encode(lines.join('')));
      return key;
    },
    async dataKeys() {
      const keys: string[] = [];
      for await (const { key } of driver.list('data/')) keys.push(key);
      return keys;
    },
    async push(repo, bytes) {
      const digest = digestOf('sha256', bytes);
      await registry.uploads.monolithic({ repo, caller: CALLER }, digest, bodyOf([bytes]));
      return digest;
    },
  };
}

/** A body of these chunks. @param length what the client announces; by default the real one */
export function bodyOf(chunks: readonly Uint8Array[], length: number | 'unknown' | undefined = undefined): UploadBody {
  const real = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  async function* source(): AsyncIterable<Uint8Array> {
    for (const chunk of chunks) yield chunk.slice();
  }
  return new UploadBody(source(), length === 'unknown' ? undefined : (length ?? real));
}

/** A body that breaks off after these chunks. */
export function brokenBody(chunks: readonly Uint8Array[], length?: number): UploadBody {
  async function* source(): AsyncIterable<Uint8Array> {
    for (const chunk of chunks) yield chunk.slice();
    throw new RegistryError('upload-interrupted', 'the connection broke off');
  }
  return new UploadBody(source(), length);
}

/** The kind of the RegistryError that the promise rejects with; other errors are thrown. */
export async function refusalOf(promise: Promise<unknown>): Promise<ErrorKind | 'none'> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) return 'none';
  if (error instanceof RegistryError) return error.kind;
  throw error;
}

export function text(value: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(value));
}

export const tag = (name: string): Tag => name as Tag;

/** The bytes of a blob as a client gets them. */
export async function pulled(
  { registry }: OpenRegistry,
  digest: Digest,
  repo: RepositoryName = A,
): Promise<Uint8Array> {
  const { size, content } = await registry.getBlob(repo, digest, CALLER);
  if (content.kind === 'bytes') return content.bytes;
  if (content.kind === 'stream') return await new Response(content.open({ start: 0, end: size })).bytes();
  throw new Error(`the memory driver returned a ${content.kind}`);
}
