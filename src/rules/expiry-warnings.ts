import type { Caller } from '../access/access.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import type { PushedManifest, Reference, Registry, Warned } from '../registry/interface.ts';
import { mapMaybeAsync } from '../registry/maybe-async.ts';
import { Forwarding } from './forwarding.ts';

/** Knows which tags retention will delete soon. Each pull of a tag calls it, so it answers from memory. */
export interface ExpiryNotices {
  /** Whether retention deletes the tag within a day unless it is pushed again. */
  isExpiring(repo: RepositoryName, tag: Tag, digest: Digest): boolean;
  /** Whether retention deletes a tag that is pushed now within a day. */
  expiresWhenPushed(repo: RepositoryName, tag: Tag): boolean;
}

/** Warns clients that retention will delete the tag they push or pull within a day. */
export class ExpiryWarnings extends Forwarding {
  readonly #notices: ExpiryNotices;

  constructor(inner: Registry, notices: ExpiryNotices) {
    super(inner);
    this.#notices = notices;
  }

  override getManifest(
    repo: RepositoryName,
    reference: Reference,
    caller: Caller,
  ): ReturnType<Registry['getManifest']> {
    return mapMaybeAsync(this.inner.getManifest(repo, reference, caller), (manifest) =>
      this.#warned(repo, reference, manifest.descriptor.digest, manifest),
    );
  }

  override resolveManifest(
    repo: RepositoryName,
    reference: Reference,
    caller: Caller,
  ): ReturnType<Registry['resolveManifest']> {
    return mapMaybeAsync(this.inner.resolveManifest(repo, reference, caller), (manifest) =>
      this.#warned(repo, reference, manifest.digest, manifest),
    );
  }

  override renewManifest(
    repo: RepositoryName,
    reference: Reference,
    caller: Caller,
  ): ReturnType<Registry['renewManifest']> {
    return mapMaybeAsync(this.inner.renewManifest(repo, reference, caller), (manifest) =>
      this.#warned(repo, reference, manifest.digest, manifest),
    );
  }

  override async pushManifest(
    repo: RepositoryName,
    manifest: PushedManifest,
    caller: Caller,
    guard?: Parameters<Registry['pushManifest']>[3],
  ): ReturnType<Registry['pushManifest']> {
    const pushed = await this.inner.pushManifest(repo, manifest, caller, guard);
    const expiring = manifest.tags.filter((tag) => this.#notices.expiresWhenPushed(repo, tag));
    return expiring.reduce((result, tag) => withWarning(result, tag), pushed);
  }

  #warned<T extends Warned>(repo: RepositoryName, reference: Reference, digest: Digest, answer: T): T {
    const isExpiring = reference.kind === 'tag' && this.#notices.isExpiring(repo, reference.tag, digest);
    return isExpiring ? withWarning(answer, reference.tag) : answer;
  }
}

function withWarning<T extends Warned>(answer: T, tag: Tag): T {
  const warning = `retention deletes the tag ${tag} within 24 hours unless it is pushed again`;
  return { ...answer, warnings: [...(answer.warnings ?? []), warning] };
}
