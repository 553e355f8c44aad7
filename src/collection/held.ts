import { foldUpTo, READ_AHEAD } from '../journal/log.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import type { Hold } from './holds.ts';

/**
 * Every incarnation that the holds keep because of one log.
 * @param linkedAt a slot whose links are known already
 */
export async function* heldIn(
  repo: RepositoryName,
  holds: readonly Hold[],
  reader: StoreReader,
  linkedAt?: number,
): AsyncGenerator<Incarnation> {
  const slots = new Set(holds.flatMap(({ logs }) => logs.get(repo) ?? []));
  for (const seq of slots) {
    if (seq === linkedAt) continue;
    const { blobs, manifests } = await foldUpTo(reader, repo, seq, READ_AHEAD);
    for (const { inc } of blobs.values()) yield inc;
    for (const { inc } of manifests.values()) yield inc;
  }
}
