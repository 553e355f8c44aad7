import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';
import type { Restoration } from '../../registry/restoration.ts';
import type { StoreReader } from '../../storage/driver.ts';
import { findEarlier } from './earlier.ts';
import { type Moment, readPast, type Thing, type When } from './past.ts';

/** The plan that restores a thing as it was at one moment. */
export interface Plan {
  readonly moment: Moment;
  readonly restoration: Restoration;
  /** Referenced manifests that were deleted before that moment and cannot be restored. */
  readonly leftOut: readonly Digest[];
  /** Tags that pointed to it at that moment and point elsewhere now. They are not changed. */
  readonly kept: readonly Tag[];
}

/** Why there is no plan: no log, a slot beyond its end, or the thing did not exist. */
export type NoPlan =
  | { readonly kind: 'no-repository' }
  | { readonly kind: 'no-slot'; readonly last: number }
  | { readonly kind: 'not-there' };

/** @throws RegistryError `log-broken` */
export async function planRestore(
  reader: StoreReader,
  repo: RepositoryName,
  thing: Thing,
  when: When | undefined,
): Promise<({ readonly kind: 'plan' } & Plan) | NoPlan> {
  const { head, moment } = await readPast(reader, repo, thing, when);
  if (head.seq === 0) return { kind: 'no-repository' };
  if (when?.kind === 'slot' && when.seq > head.seq) return { kind: 'no-slot', last: head.seq };
  if (moment === undefined) return { kind: 'not-there' };
  const earlier = await findEarlier(reader, repo, moment.closure.unknown, head);
  const { digest, closure } = moment;
  closure.take(earlier.closure);
  // The tag that the operator names is always set. Other tags are set only if they do not point elsewhere now.
  const isSet = (tag: Tag): boolean => thing.kind === 'tag' || [undefined, digest].includes(head.tag(tag));
  const tags = moment.tags.filter(isSet).map((tag) => {
    const seen = head.tag(tag);
    return { tag, digest, ...(seen === undefined ? {} : { seen }) };
  });
  return {
    ...{ kind: 'plan', moment, leftOut: earlier.leftOut },
    restoration: { ...closure.wanted(), tags },
    kept: moment.tags.filter((tag) => !isSet(tag)),
  };
}
