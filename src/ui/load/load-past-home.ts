import type { Caller } from '../../access/access.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { TimeMoment } from '../../past/moment.ts';
import type { Sources } from './sources.ts';

export type PastHomeData =
  /** The visitor may not list repositories. */
  | { readonly kind: 'forbidden' }
  | {
      readonly kind: 'listed';
      readonly items: readonly PastRepositorySummary[];
      /** `after` of the next page; undefined: there is none. */
      readonly next: string | undefined;
    };

export interface PastRepositorySummary {
  readonly repo: RepositoryName;
  readonly tags: number;
  /** Of all its blobs and manifests. */
  readonly bytes: number;
  /** Time of its last slot until then, ISO 8601. */
  readonly changed: string | undefined;
}

/** Each must be read from its log. */
const PAGE = 50;

/**
 * The repositories that there were, by name.
 * @throws RegistryError `route-unknown` if the past is turned off; `request-invalid`
 */
export async function loadPastHome(
  { at, after }: { readonly at: TimeMoment; readonly after: string | undefined },
  caller: Caller,
  { registry, history, policy, names }: Pick<Sources, 'registry' | 'history' | 'policy' | 'names'>,
): Promise<PastHomeData> {
  if (!policy.allowsRegistry(caller, 'catalog')) return { kind: 'forbidden' };
  const base = names.baseOf(at);
  if (base === undefined)
    throw new RegistryError('route-unknown', 'the past of this registry is turned off: PAST_PREFIX is empty');
  const { items, more, resume } = await registry.repositories({ after, limit: PAGE }, caller, base);
  const found: PastRepositorySummary[] = [];
  for (const repo of items) {
    const { counts, bytes, time } = await history.contents(repo, at, caller);
    found.push({ repo, tags: counts.tags, bytes, changed: time });
  }
  return { kind: 'listed', items: found, next: more ? (resume ?? items.at(-1)) : undefined };
}
