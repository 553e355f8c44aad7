import { describe, expect, test } from 'bun:test';
import {
  A,
  ACTOR,
  B,
  HOUR,
  type OpenRegistry,
  openRegistry,
  refusalOf,
  tag,
  text,
} from '../../test/support/registry.ts';
import { readSlot } from '../journal/log.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import type { Digest } from '../oci/names.ts';
import { NO_POLICY } from './policy.ts';

const manifests = ['one', 'two'].map((name) =>
  text(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], annotations: { name } })),
);

async function put({ registry }: OpenRegistry, number: number, tags: readonly string[], repo = A): Promise<Digest> {
  const bytes = manifests[number] ?? text('');
  const pushed = { bytes, contentType: OCI_INDEX, digest: undefined, tags: tags.map(tag) };
  return (await registry.manifests.put(repo, pushed, ACTOR)).digest;
}

describe('a policy', () => {
  test('an untagged manifest that would be deleted soon is put again when a client finds it with HEAD or pushes it again', async () => {
    const open = openRegistry({
      policy: { ...NO_POLICY, untaggedLifetime: (repo) => (repo === A ? 10 * HOUR : undefined) },
    });
    const { manifests } = open.registry;
    const tagged = await put(open, 1, ['x']);
    const loose = await put(open, 0, []);
    await put(open, 0, [], B);
    const find = (digest: Digest, repo = A) => manifests.renew(repo, { kind: 'digest', digest });
    const putAt = async (digest: Digest, repo = A) =>
      (await manifests.resolve(repo, { kind: 'digest', digest })).record.at;
    const begun = open.clock.now();
    open.clock.advance(5 * HOUR);
    await find(loose);
    expect(await putAt(loose)).toBe(begun);
    open.clock.advance(1);
    for (const digest of [tagged, loose]) await find(digest);
    await find(loose, B);
    expect(await Promise.all([putAt(loose), putAt(tagged), putAt(loose, B)])).toEqual([open.clock.now(), begun, begun]);
    const { record } = await manifests.resolve(A, { kind: 'digest', digest: loose });
    expect(record).toEqual({
      ...(await openRegistry({ driver: open.driver }).registry.manifests.resolve(B, { kind: 'digest', digest: loose }))
        .record,
      inc: record.inc,
      at: record.at,
    });
    open.clock.advance(5 * HOUR + 1);
    await put(open, 0, []);
    expect([await putAt(loose), (await open.dataKeys()).length]).toEqual([open.clock.now(), 3]);
    expect(await refusalOf(Promise.try(() => find(`sha256:${'0'.repeat(64)}` as Digest)))).toBe('manifest-unknown');
  });

  test('the time of the last push of a tag is logged only if it matters', async () => {
    const slots = async (counts: boolean): Promise<number> => {
      const open = openRegistry({ policy: { ...NO_POLICY, tracksPushTimes: () => counts } });
      for (const tags of [['x'], ['x'], ['x', 'y'], []] satisfies string[][]) await put(open, 0, tags);
      let seq = 0;
      while ((await readSlot(open.driver, A, seq + 1)) !== undefined) seq++;
      return seq;
    };
    expect([await slots(false), await slots(true)]).toEqual([2, 3]);
  });
});
