import type { Caller } from '../access/access.ts';
import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { ManifestAddress } from '../past/comparable.ts';
import type { History } from '../past/interface.ts';
import { formatMoment, secondOf } from '../past/moment.ts';
import type { PastNames } from '../past/past-names.ts';
import type { Reference, Registry } from '../registry/interface.ts';
import { ifPresent } from './contents.ts';

export interface LocatePorts {
  readonly registry: Pick<Registry, 'resolveManifest'>;
  readonly history: Pick<History, 'contents'>;
  readonly names: PastNames;
}

/** By which name and reference a manifest can be pulled. */
interface Located {
  readonly repo: RepositoryName;
  readonly reference: Reference;
}

/**
 * Finds the manifest that an address meant at its moment. It never changes, so it is read from the repository of today if that still
 * has it, and else from the past.
 * @throws RegistryError `manifest-unknown` if the repository did not have it then; as History.contents
 */
export async function locate(
  { repo, reference, at }: ManifestAddress,
  caller: Caller,
  { registry, history, names }: LocatePorts,
): Promise<Located> {
  if (at === undefined) return { repo, reference };
  const then = await history.contents(repo, at, caller);
  const digest = reference.kind === 'tag' ? then.tag(reference.tag) : reference.digest;
  if (digest === undefined || then.pushed(digest) === undefined) {
    const what = reference.kind === 'tag' ? `tag ${reference.tag}` : `manifest ${reference.digest}`;
    const when = at.kind === 'slot' ? `slot ${at.seq}` : formatMoment(at);
    throw new RegistryError('manifest-unknown', `${repo} had no ${what} at ${when}`);
  }
  const found: Reference = { kind: 'digest', digest };
  const isHere = (await ifPresent(async () => await registry.resolveManifest(repo, found, caller))) !== undefined;
  const past = then.time === undefined ? undefined : names.nameOf({ moment: secondOf(Date.parse(then.time)), repo });
  return { repo: isHere || past === undefined ? repo : past, reference: found };
}
