import { describe, expect, test } from 'bun:test';
import { A, B, bodyOf, CALLER, GRACE, HOUR, openRegistry, refusalOf, tag, text } from '../../test/support/registry.ts';
import { type AccessPolicy, type Action, openAccess } from '../access/access.ts';
import { readSlot } from '../journal/log.ts';
import { digestOf } from '../oci/digest.ts';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import type { RepositoryName, UploadId } from '../oci/names.ts';
import type { Registry, TagCondition, TagGuard } from '../registry/interface.ts';
import { NO_POLICY } from '../registry/policy.ts';
import { AccessControl } from './access-control.ts';

const bytes = text('a blob');
const digest = digestOf('sha256', bytes);
const manifest = text(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }));
const manifestDigest = digestOf('sha256', manifest);
const pushed = { bytes: manifest, contentType: OCI_INDEX, digest: undefined, tags: [tag('v1')] };
const upload = 'no-such-upload' as UploadId;
const all = { after: undefined, limit: undefined };

/** Each method that names a repository, and what it needs there. */
const METHODS: Readonly<
  Record<Exclude<keyof Registry, 'repositories' | 'refusalOf'>, [Action, (registry: Registry) => unknown]>
> = {
  getBlob: ['pull', (registry) => registry.getBlob(A, digest, CALLER)],
  resolveBlob: ['pull', (registry) => registry.resolveBlob(A, digest, CALLER)],
  getManifest: ['pull', (registry) => registry.getManifest(A, { kind: 'tag', tag: tag('v1') }, CALLER)],
  resolveManifest: ['pull', (registry) => registry.resolveManifest(A, { kind: 'tag', tag: tag('v1') }, CALLER)],
  renewBlob: ['pull', (registry) => registry.renewBlob(A, digest, CALLER)],
  renewManifest: ['pull', (registry) => registry.renewManifest(A, { kind: 'tag', tag: tag('v1') }, CALLER)],
  pushBlob: ['push', (registry) => registry.pushBlob(A, digest, bodyOf([bytes]), CALLER)],
  startUpload: ['push', (registry) => registry.startUpload(A, 'sha256', CALLER)],
  appendToUpload: ['push', (registry) => registry.appendToUpload(A, upload, bodyOf([bytes]), undefined, CALLER)],
  closeUpload: ['push', (registry) => registry.closeUpload(A, upload, digest, bodyOf([bytes]), undefined, CALLER)],
  uploadStatus: ['push', (registry) => registry.uploadStatus(A, upload, CALLER)],
  cancelUpload: ['push', (registry) => registry.cancelUpload(A, upload, CALLER)],
  mountBlob: ['push', (registry) => registry.mountBlob(A, digest, B, CALLER)],
  pushManifest: ['push', (registry) => registry.pushManifest(A, pushed, CALLER)],
  deleteBlob: ['delete', (registry) => registry.deleteBlob(A, digest, CALLER)],
  deleteManifest: ['delete', (registry) => registry.deleteManifest(A, manifestDigest, CALLER)],
  deleteTag: ['delete', (registry) => registry.deleteTag(A, tag('v1'), undefined, CALLER)],
  tags: ['pull', (registry) => registry.tags(A, all, CALLER)],
  referrers: [
    'pull',
    (registry) =>
      registry.referrers(A, digest, { artifactType: undefined, after: undefined, fits: () => true }, CALLER),
  ],
};

/** A registry in which any call is a look-up that should not have been. */
const UNTOUCHABLE = new Proxy({} as Registry, {
  get: (_, name) => {
    throw new Error(`${String(name)} was called`);
  },
});

/** @param action `push`: neither may the caller create, which is less */
function without(action: Action): AccessPolicy {
  const denied: readonly Action[] = action === 'push' ? ['push', 'create'] : [action];
  return { ...openAccess, allows: (_, action, repo) => !(denied.includes(action) && repo === A) };
}

/** A repository that may not be pulled from does not exist for the caller; one that does not exist has no referrers. */
function refusal(method: string, action: Action): ErrorKind | 'none' {
  if (action !== 'pull') return 'denied';
  return method === 'referrers' ? 'none' : 'name-unknown';
}

/** Everything that the caller can see of an answer. */
async function answerOf(call: () => unknown): Promise<unknown> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof RegistryError) return { kind: error.kind, message: error.message, detail: error.detail };
    throw error;
  }
}

const outcomeOf = (call: () => unknown) => refusalOf(Promise.try(async () => await call()));

describe('a caller who may not', () => {
  test.each(Object.entries(METHODS))('%s is refused before anything is looked up', async (name, [action, call]) => {
    const registry = new AccessControl(UNTOUCHABLE, without(action));
    expect(await outcomeOf(() => call(registry))).toBe(refusal(name, action));
  });

  test('pull gets the response for a repository that does not exist', async () => {
    const forbidden = new AccessControl(UNTOUCHABLE, without('pull'));
    const missing = openRegistry().registry;
    for (const [action, call] of Object.values(METHODS)) {
      if (action === 'pull') expect(await answerOf(() => call(forbidden))).toEqual(await answerOf(() => call(missing)));
    }
  });

  test('pull from the source of a mount must upload: the source is not looked up', async () => {
    const registry = new AccessControl(UNTOUCHABLE, without('pull'));
    expect(await registry.mountBlob(B, digest, A, CALLER)).toBe(false);
  });

  test('do one action may do all others', async () => {
    for (const denied of ['pull', 'push', 'delete'] satisfies Action[]) {
      const open = openRegistry();
      const { registry } = open;
      await registry.pushBlob(A, digest, bodyOf([bytes]), CALLER);
      await registry.pushBlob(B, digest, bodyOf([bytes]), CALLER);
      await registry.pushManifest(A, pushed, CALLER);
      const ruled = new AccessControl(registry, without(denied));
      for (const [name, [action, call]] of Object.entries(METHODS)) {
        const outcome = await outcomeOf(() => call(ruled));
        if (action === denied) expect(outcome).toBe(refusal(name, action));
        else expect(outcome).not.toBe('denied');
      }
    }
  });
});

test('says beforehand which writes it refuses', () => {
  const refused = (policy: AccessPolicy) =>
    (['create', 'push', 'delete'] as const).map(
      (write) => new AccessControl(openRegistry().registry, policy).refusalOf(write, A, CALLER)?.kind,
    );
  expect(refused(openAccess)).toEqual([undefined, undefined, undefined]);
  expect(refused(without('delete'))).toEqual([undefined, undefined, 'denied']);
  expect(refused(without('push'))).toEqual(['denied', 'denied', undefined]);
  const creator: AccessPolicy = { ...openAccess, allows: (_, action) => action !== 'push' };
  expect(refused(creator)).toEqual([undefined, 'denied', undefined]);
});

describe('a caller who may create, but not push,', () => {
  const creator: AccessPolicy = { ...openAccess, allows: (_, action) => action !== 'push' };
  const other = text(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], annotations: {} }));
  const moved = { ...pushed, bytes: other };

  test('creates tags, and pushes the same digest again', async () => {
    const ruled = new AccessControl(openRegistry().registry, creator);
    await ruled.pushManifest(A, pushed, CALLER);
    expect((await ruled.pushManifest(A, pushed, CALLER)).digest).toBe(manifestDigest);
  });

  test('moves no tag, and a refused request sets none of its other tags', async () => {
    const registry: Registry = openRegistry().registry;
    const ruled = new AccessControl(registry, creator);
    await ruled.pushManifest(A, pushed, CALLER);
    const both = { ...moved, tags: [tag('new'), tag('v1')] };
    expect(await refusalOf(ruled.pushManifest(A, both, CALLER))).toBe('denied');
    expect((await registry.tags(A, all, CALLER)).items).toEqual([tag('v1')]);
    expect((await registry.resolveManifest(A, { kind: 'tag', tag: tag('v1') }, CALLER)).digest).toBe(manifestDigest);
  });

  test('creates a deleted tag again', async () => {
    const registry: Registry = openRegistry().registry;
    const ruled = new AccessControl(registry, creator);
    await ruled.pushManifest(A, pushed, CALLER);
    await registry.deleteTag(A, tag('v1'), undefined, CALLER);
    await ruled.pushManifest(A, moved, CALLER);
    expect((await registry.tags(A, all, CALLER)).items).toEqual([tag('v1')]);
  });

  test('competes with another caller for a new tag: one of the two is refused', async () => {
    const ruled = new AccessControl(openRegistry().registry, creator);
    const outcomes = await Promise.all([pushed, moved].map((each) => refusalOf(ruled.pushManifest(A, each, CALLER))));
    expect(outcomes.sort()).toEqual(['denied', 'none']);
  });

  test('is also subject to the other rules', async () => {
    const ruled = new AccessControl(openRegistry().registry, creator);
    const guard: TagGuard = () => new RegistryError('read-only', 'no');
    expect(await refusalOf(ruled.pushManifest(A, pushed, CALLER, guard))).toBe('read-only');
  });
});

describe('a condition that does not hold', () => {
  const condition: TagCondition = { kind: 'absent' };
  const failureOf = (promise: Promise<unknown>) => promise.catch((reason: unknown) => reason);

  test('tells the tag only to callers who may pull', async () => {
    const registry: Registry = openRegistry().registry;
    await registry.pushManifest(A, pushed, CALLER);
    const open = new AccessControl(registry, openAccess);
    const blind = new AccessControl(registry, without('pull'));
    const detail = { tag: tag('v1'), digest: manifestDigest };
    for (const write of [
      (ruled: Registry) => ruled.pushManifest(A, { ...pushed, condition }, CALLER),
      (ruled: Registry) => ruled.deleteTag(A, tag('v1'), condition, CALLER),
    ]) {
      expect(await failureOf(write(open))).toMatchObject({ kind: 'precondition-failed', detail });
      const hidden = await failureOf(write(blind));
      expect(hidden).toMatchObject({ kind: 'precondition-failed', detail: undefined });
      expect(String(hidden)).not.toContain(manifestDigest);
    }
  });
});

describe('HEAD', () => {
  /** How many slots a repository's log has. */
  async function slots({ driver }: ReturnType<typeof openRegistry>, repo: RepositoryName): Promise<number> {
    let seq = 0;
    while ((await readSlot(driver, repo, seq + 1)) !== undefined) seq++;
    return seq;
  }

  const days = 24 * HOUR;
  const policy = { ...NO_POLICY, untaggedLifetime: () => 10 * days };

  test.each([
    ['with the right to push renews content that would be collected soon', true, 2],
    ['with the right to pull writes nothing', false, 0],
  ] as const)('by a caller %s', async (_, mayPush, written) => {
    const open = openRegistry({ policy });
    await open.registry.pushBlob(A, digest, bodyOf([bytes]), CALLER);
    await open.registry.pushManifest(A, { ...pushed, tags: [] }, CALLER);
    const before = await slots(open, A);
    open.clock.advance(GRACE + 10 * days);
    const ruled = new AccessControl(open.registry, {
      ...openAccess,
      allows: (_, action) => mayPush || action === 'pull',
    });
    expect((await ruled.renewBlob(A, digest, CALLER)).size).toBe(bytes.length);
    const found = await ruled.renewManifest(A, { kind: 'digest', digest: manifestDigest }, CALLER);
    expect([found.digest, found.size]).toEqual([manifestDigest, manifest.length]);
    expect((await slots(open, A)) - before).toBe(written);
  });
});
