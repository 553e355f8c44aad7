import { READ_AHEAD, slotsAfter } from '../../journal/log.ts';
import type { RepositoryFacts } from '../../journal/state.ts';
import type { Digest, RepositoryName } from '../../oci/names.ts';
import { linkable } from '../../registry/condemned.ts';
import type { WantedBlob, WantedManifest } from '../../registry/restoration.ts';
import type { StoreReader } from '../../storage/driver.ts';
import { Closure, type Known } from './closure.ts';

/** Content that was deleted before the restored moment, divided by whether it can still be restored. */
export interface Earlier {
  readonly closure: Closure;
  /** Manifests whose bytes were freed, at least in part. */
  readonly leftOut: readonly Digest[];
}

/**
 * An index may name manifests that were deleted before it was. They are restored with it while their bytes exist; otherwise the index
 * is restored as it was then, without them.
 * @param missing digests that a manifest refers to and the repository lacked then
 * @param now the repository at the end of its log
 */
export async function findEarlier(
  reader: StoreReader,
  repo: RepositoryName,
  missing: Iterable<Digest>,
  now: RepositoryFacts,
): Promise<Earlier> {
  const isHere = (digest: Digest): boolean => now.manifest(digest) !== undefined || now.blob(digest) !== undefined;
  const roots = [...missing].filter((digest) => !isHere(digest));
  const known = await everLinked(reader, repo, roots, isHere);
  const usable = await usableOf(reader, known);
  const closure = new Closure([], () => ({}));
  const leftOut: Digest[] = [];
  for (const root of roots) {
    const part = new Closure([root], (digest) => known.get(digest) ?? {});
    // The root is a layer that was never pushed, or a manifest that the repository never had.
    if (!part.has(root)) continue;
    const isWhole = [...part.entries()].every((each) => isHere(each.digest) || usable.has(each));
    if (isWhole) closure.take(part);
    else leftOut.push(root);
  }
  return { closure, leftOut };
}

/** The last links of these digests and of everything they refer to. Each level of nesting costs one read of the log. */
async function everLinked(
  reader: StoreReader,
  repo: RepositoryName,
  roots: readonly Digest[],
  isHere: (digest: Digest) => boolean,
): Promise<Map<Digest, Known>> {
  const known = new Map<Digest, Known>();
  let sought = new Set(roots);
  while (sought.size > 0) {
    for await (const { batch } of slotsAfter(reader, repo, 0, READ_AHEAD)) {
      for (const event of batch.events) {
        if ((event.type !== 'blob.linked' && event.type !== 'manifest.put') || !sought.has(event.digest)) continue;
        known.set(event.digest, withEvent(known.get(event.digest) ?? {}, event));
      }
    }
    const next = [...sought].flatMap((digest) => known.get(digest)?.manifest?.refs ?? []);
    sought = new Set(next.filter((digest) => !known.has(digest) && !isHere(digest)));
  }
  return known;
}

type Link = Extract<Parameters<Closure['follow']>[0], { type: 'blob.linked' | 'manifest.put' }>;

function withEvent(known: Known, event: Link): Known {
  const incs = (before: readonly WantedBlob['incs'][number][] = []) => [
    event.inc,
    ...before.filter((inc) => inc !== event.inc),
  ];
  if (event.type === 'blob.linked') {
    const { digest, size } = event;
    return { ...known, blob: { digest, size, incs: incs(known.blob?.incs) } };
  }
  const { type: _, actor: __, inc: ___, ...manifest } = event;
  return { ...known, manifest: { ...manifest, incs: incs(known.manifest?.incs) } };
}

/** The entries that have an object that can be linked now. */
async function usableOf(
  reader: StoreReader,
  known: ReadonlyMap<Digest, Known>,
): Promise<ReadonlySet<WantedBlob | WantedManifest>> {
  const all = [...known.values()]
    .flatMap(({ blob, manifest }) => [blob, manifest])
    .filter((each) => each !== undefined);
  const candidates = all.flatMap(({ incs, size }) => incs.map((inc) => ({ inc, size })));
  const usable = await linkable(reader, candidates);
  return new Set(all.filter(({ incs }) => incs.some((inc) => usable.has(inc))));
}
