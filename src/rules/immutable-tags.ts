import type { Caller } from '../access/access.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import type { PushedManifest, Registry, TagChange, TagCondition, TagGuard } from '../registry/interface.ts';
import { mapMaybeAsync } from '../registry/maybe-async.ts';
import type { RepositoryPolicy } from '../registry/policy.ts';
import { Forwarding } from './forwarding.ts';

/** The most tags named in an error message. */
const MAX_NAMED = 10;

/**
 * Protects tags that the operator declared immutable: they keep the digest of their first push and cannot be deleted. Pushing the
 * same digest again is allowed.
 */
export class ImmutableTags extends Forwarding {
  readonly #policy: Pick<RepositoryPolicy, 'isImmutable'>;

  constructor(inner: Registry, policy: Pick<RepositoryPolicy, 'isImmutable'>) {
    super(inner);
    this.#policy = policy;
  }

  override pushManifest(
    repo: RepositoryName,
    manifest: PushedManifest,
    caller: Caller,
    guard?: TagGuard,
  ): ReturnType<Registry['pushManifest']> {
    return this.inner.pushManifest(repo, manifest, caller, this.#guard(repo, guard));
  }

  override deleteManifest(repo: RepositoryName, digest: Digest, caller: Caller, guard?: TagGuard): Promise<void> {
    return this.inner.deleteManifest(repo, digest, caller, this.#guard(repo, guard));
  }

  override deleteTag(
    repo: RepositoryName,
    tag: Tag,
    condition: TagCondition | undefined,
    caller: Caller,
    guard?: TagGuard,
  ): Promise<void> {
    return this.inner.deleteTag(repo, tag, condition, caller, this.#guard(repo, guard));
  }

  #guard(repo: RepositoryName, outer: TagGuard | undefined): TagGuard {
    return (changes) =>
      mapMaybeAsync(outer?.(changes), (refused) => refused ?? refuseChanges(repo, changes, this.#policy));
  }
}

function refuseChanges(
  repo: RepositoryName,
  changes: readonly TagChange[],
  policy: Pick<RepositoryPolicy, 'isImmutable'>,
): RegistryError | undefined {
  const refused = changes.filter(
    ({ tag, before, after }) => before !== undefined && before !== after && policy.isImmutable(repo, tag),
  );
  const [first] = refused;
  if (first === undefined) return undefined;
  const consequence =
    first.after === undefined
      ? 'cannot be deleted: only the operator can change that (RETENTION_FILE)'
      : 'cannot be pushed again with another digest: push under a new tag';
  const tags = refused.map(({ tag }) => tag);
  const names = tags.slice(0, MAX_NAMED);
  const subject =
    tags.length === 1 ? `tag ${names} is` : `tags ${names.join(', ')}${tags.length > MAX_NAMED ? ', …' : ''} are`;
  return new RegistryError('denied', `the ${subject} immutable in ${repo} and ${consequence}`, { tags: names });
}
