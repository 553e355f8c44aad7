import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { A, B, bodyOf, C, CALLER, openRegistry, refusalOf, tag, text } from '../../test/support/registry.ts';
import type { Quota } from '../access/rules/quota.ts';
import { digestOf } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import { type Excess, Ledger } from '../quotas/ledger.ts';
import { Quotas } from './quotas.ts';

const index = (name: string) =>
  text(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], annotations: { name } }));
const blob = (length: number, fill = 'x') => text(fill.repeat(length));

/** A registry with one quota for team/a and team/b, as one process on a data folder has it. */
function openLimited(allowed: Quota['allowed']) {
  const ledger = new Ledger();
  ledger.use([{ name: 'q', patterns: [A, B], matches: (repo) => repo === A || repo === B, allowed }]);
  const refusals: Excess[] = [];
  const open = openRegistry({ onUsage: (repo, usage) => ledger.count(repo, usage) });
  const registry = new Quotas(open.registry, {
    ledger,
    count: async (repo) => ledger.count(repo, await open.projection.usage(repo)),
    written: () => true,
    refused: (excess) => refusals.push(excess),
  });
  return {
    ...{ ...open, registry, ledger, refusals },
    used: () => ledger.used[0]?.used,
    async pushBlob(repo: RepositoryName, bytes: Uint8Array, length?: 'unknown'): Promise<Digest> {
      const digest = digestOf('sha256', bytes);
      await registry.pushBlob(repo, digest, bodyOf([bytes], length), CALLER);
      return digest;
    },
    async upload(repo: RepositoryName, bytes: Uint8Array, appended: number): Promise<void> {
      const { id } = await registry.startUpload(repo, 'sha256', CALLER);
      const [head, rest] = [bytes.slice(0, appended), bytes.slice(appended)];
      if (appended > 0) await registry.appendToUpload(repo, id, bodyOf([head], 'unknown'), undefined, CALLER);
      await registry.closeUpload(repo, id, digestOf('sha256', bytes), bodyOf([rest]), undefined, CALLER);
    },
    async put(repo: RepositoryName, name: string, ...tags: string[]): Promise<Digest> {
      const pushed = { bytes: index(name), contentType: OCI_INDEX, digest: undefined, tags: tags.map(tag) };
      return (await registry.pushManifest(repo, pushed, CALLER)).digest;
    },
  };
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  return error instanceof RegistryError ? `${error.kind}: ${error.message}` : String(error);
}

describe('a quota of bytes', () => {
  test('is shared by all repositories that match it, and says what is used and allowed', async () => {
    const { pushBlob, used } = openLimited({ bytes: 3 * 1024 });
    await pushBlob(A, blob(2048));
    expect(await messageOf(pushBlob(B, blob(1025, 'y')))).toBe(
      'denied: quota of q: used 2.0 KiB of 3.0 KiB, and this needs 1.0 KiB more; delete manifests that are not needed, whose blobs are unlinked some time later, or ask for a larger quota',
    );
    await pushBlob(B, blob(1024, 'z'));
    expect(used()).toEqual({ bytes: 3072, repositories: 2, tags: 0, slots: 2 });
    expect(await messageOf(pushBlob(B, blob(1, 'w')))).toStartWith('denied: quota of q: used 3.0 KiB of 3.0 KiB; ');
    await pushBlob(C, blob(5000));
  });

  test('is refused at each step of an upload that would exceed it', async () => {
    const { registry, upload, used } = openLimited({ bytes: 100 });
    await upload(A, blob(60), 20);
    expect(await refusalOf(upload(A, blob(41, 'y'), 40))).toBe('denied');
    expect(await refusalOf(upload(A, blob(41, 'y'), 0))).toBe('denied');
    const { id } = await registry.startUpload(A, 'sha256', CALLER);
    expect(await refusalOf(registry.appendToUpload(A, id, bodyOf([blob(41)]), undefined, CALLER))).toBe('denied');
    await upload(B, blob(40, 'z'), 0);
    expect(await refusalOf(registry.startUpload(A, 'sha256', CALLER))).toBe('denied');
    expect(await refusalOf(registry.appendToUpload(A, id, bodyOf([blob(5)], 'unknown'), undefined, CALLER))).toBe(
      'denied',
    );
    expect(used()).toMatchObject({ bytes: 100 });
  });

  test('allows a refused upload to be closed once there is room', async () => {
    const { registry, ledger, pushBlob } = openLimited({ bytes: 100 });
    const { id } = await registry.startUpload(A, 'sha256', CALLER);
    await registry.appendToUpload(A, id, bodyOf([blob(50)], 'unknown'), undefined, CALLER);
    const other = await pushBlob(A, blob(60, 'y'));
    const close = () => registry.closeUpload(A, id, digestOf('sha256', blob(50)), bodyOf([]), undefined, CALLER);
    expect(await refusalOf(close())).toBe('denied');
    await registry.deleteBlob(A, other, CALLER);
    expect(ledger.used[0]?.used.bytes).toBe(0);
    await close();
    expect(ledger.used[0]?.used.bytes).toBe(50);
  });

  test('allows content that the repository already has, even if the quota is full', async () => {
    const { registry, pushBlob, put, upload, ledger, refusals } = openLimited({ bytes: 1_000, tags: 2 });
    const digest = await pushBlob(A, blob(600));
    const manifest = await put(A, 'one', 'v1');
    ledger.use([
      { name: 'q', patterns: [A], matches: (repo) => repo === A, allowed: { bytes: 10, tags: 1, slots: 1 } },
    ]);
    await pushBlob(A, blob(600));
    expect(await refusalOf(upload(A, blob(600), 0))).toBe('denied');
    expect(await put(A, 'one', 'v1')).toBe(manifest);
    expect(await registry.mountBlob(A, digest, undefined, CALLER)).toBe(true);
    expect(await registry.mountBlob(A, digest, A, CALLER)).toBe(true);
    // A session is refused without knowing what for.
    expect(refusals.map(({ resource }) => resource)).toEqual(['bytes']);
    expect(await refusalOf(put(A, 'one', 'v2'))).toBe('denied');
  });

  test('counts mounts with the size at their source', async () => {
    const { registry, pushBlob, used } = openLimited({ bytes: 100 });
    const digest = await pushBlob(C, blob(101));
    const small = await pushBlob(C, blob(100, 'y'));
    expect(await refusalOf(registry.mountBlob(A, digest, C, CALLER))).toBe('denied');
    expect(await registry.mountBlob(A, digestOf('sha256', text('nowhere')), C, CALLER)).toBe(false);
    expect(await registry.mountBlob(A, small, C, CALLER)).toBe(true);
    expect(used()).toMatchObject({ bytes: 100 });
  });

  test('is never exceeded by concurrent pushes of known sizes, which do not wait for each other', async () => {
    const sizes = fc.array(fc.record({ repo: fc.constantFrom(A, B), size: fc.integer({ min: 1, max: 60 }) }), {
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(sizes, fc.boolean(), async (pushes, inSessions) => {
        const { pushBlob, upload, used, projection } = openLimited({ bytes: 100 });
        await Promise.all(
          pushes.map(async ({ repo, size }, number) => {
            const bytes = blob(size, String.fromCharCode(97 + number));
            const pushing = inSessions ? upload(repo, bytes, Math.floor(size / 2)) : pushBlob(repo, bytes);
            expect(['none', 'denied']).toContain(await refusalOf(pushing));
          }),
        );
        const folded = [await projection.usage(A), await projection.usage(B)];
        const bytes = folded.reduce((sum, each) => sum + each.bytes, 0);
        expect(used()?.bytes).toBe(bytes);
        expect(bytes).toBeLessThanOrEqual(100);
      }),
      { numRuns: 50 },
    );
  });
});

describe('other quotas', () => {
  test('of tags count new tags, which the decision knows', async () => {
    const { registry, put, used, ledger } = openLimited({ tags: 3 });
    const first = await put(A, 'one', 'v1', 'v2');
    expect(await messageOf(put(B, 'two', 'v1', 'v2'))).toBe(
      'denied: quota of q: used 2 of 3 tags, and this needs 2 more; delete tags that are not needed, or ask for a larger quota',
    );
    await put(A, 'two', 'v1', 'v2', 'v3');
    expect(used()).toMatchObject({ tags: 3 });
    expect(await refusalOf(put(A, 'one', 'v4'))).toBe('denied');
    expect(await put(A, 'one')).toBe(first);
    await registry.deleteTag(A, tag('v1'), undefined, CALLER);
    await put(B, 'one', 'v4');
    const many = Array.from({ length: 10 }, (_, number) => refusalOf(put(A, 'one', `many-${number}`)));
    expect(await Promise.all(many)).toEqual(Array.from({ length: 10 }, () => 'denied'));
    ledger.use([{ name: 'q', patterns: [A], matches: (repo) => repo === A, allowed: { tags: 5 } }]);
    const more = Array.from({ length: 10 }, (_, number) => refusalOf(put(A, 'one', `more-${number}`)));
    expect((await Promise.all(more)).filter((each) => each === 'none')).toHaveLength(3);
  });

  test('of repositories refuse a new repository, and concurrent writes count it once', async () => {
    const { registry, pushBlob, put } = openLimited({ repositories: 1 });
    await Promise.all(['a', 'b', 'c'].map((fill) => pushBlob(A, blob(10, fill))));
    expect(await messageOf(pushBlob(B, blob(10)))).toBe(
      'denied: quota of q: used 1 of 1 repositories; ask the operator to remove one, or for a larger quota',
    );
    expect(await refusalOf(registry.startUpload(B, 'sha256', CALLER))).toBe('denied');
    expect(await refusalOf(put(B, 'one', 'v1'))).toBe('denied');
    await put(A, 'one', 'v1');
  });

  test('of slots refuse pushes, but never deletes', async () => {
    const { registry, put, pushBlob, used } = openLimited({ slots: 3 });
    await put(A, 'one', 'v1');
    await put(A, 'two', 'v2');
    const digest = await pushBlob(A, blob(10));
    expect(await refusalOf(put(A, 'three', 'v3'))).toBe('denied');
    await registry.deleteBlob(A, digest, CALLER);
    await registry.deleteTag(A, tag('v1'), undefined, CALLER);
    expect(used()).toMatchObject({ slots: 5, tags: 1 });
    expect(await refusalOf(registry.startUpload(A, 'sha256', CALLER))).toBe('denied');
  });
});

describe('on a node of a cluster, where the ledger learns of a write later', () => {
  function openNode(allowed: Quota['allowed']) {
    const open = openRegistry();
    const ledger = new Ledger();
    ledger.use([{ name: 'q', patterns: [A, B], matches: (repo) => repo === A || repo === B, allowed }]);
    const count = async (repo: RepositoryName) => {
      const finished = ledger.finished(repo);
      ledger.count(repo, await open.projection.usage(repo));
      for (const each of finished) each.release();
    };
    const registry = new Quotas(open.registry, { ledger, count, written: () => false, refused: () => {} });
    const push = async (repo: RepositoryName, bytes: Uint8Array) => {
      const digest = digestOf('sha256', bytes);
      await registry.pushBlob(repo, digest, bodyOf([bytes]), CALLER);
      return digest;
    };
    return { ...open, ledger, count, push };
  }

  test('a finished write stays reserved until it is counted', async () => {
    const { push, ledger, count } = openNode({ bytes: 100 });
    await push(A, blob(60));
    expect(ledger.used[0]?.used).toMatchObject({ bytes: 60 });
    expect(await refusalOf(push(B, blob(60, 'y')))).toBe('denied');
    await count(A);
    expect(ledger.used[0]?.used).toEqual({ bytes: 60, repositories: 1, tags: 0, slots: 1 });
    await push(B, blob(40, 'z'));
  });

  test('a refusal is based on the current usage of the repository, and nothing counts twice', async () => {
    const { push, ledger, registry } = openNode({ bytes: 100 });
    const digest = await push(A, blob(40));
    // Another count had begun before the write ended, and has seen it.
    ledger.count(A, { seq: 1, exists: true, bytes: 40, tags: 0 });
    expect(ledger.used[0]?.used).toMatchObject({ bytes: 80 });
    await push(A, blob(60, 'y'));
    expect(await refusalOf(push(A, blob(40, 'z')))).toBe('denied');
    await registry.deleteBlob(A, digest, CALLER);
    await push(A, blob(40, 'z'));
  });
});
