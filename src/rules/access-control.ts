import type { AccessPolicy, Caller } from '../access/access.ts';
import type { Algorithm } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName, Tag, UploadId } from '../oci/names.ts';
import type {
  Delivery,
  PageRequest,
  PushedManifest,
  Reference,
  ReferrersRequest,
  Registry,
  TagCondition,
  TagGuard,
  WriteKind,
} from '../registry/interface.ts';
import { nameUnknown } from '../registry/require-repository.ts';
import type { ContentRange, UploadBody } from '../registry/upload-body.ts';

/** Maximum tags named in a message. */
const MAX_NAMED = 10;

/**
 * Checks the access policy before anything is looked up. It covers the repositories that a request names. `StoreRegistry` applies
 * the same policy to repositories that it looks up itself: the source of a mount without `from`, and the catalog.
 */
export class AccessControl implements Registry {
  readonly #inner: Registry;
  readonly #policy: AccessPolicy;

  constructor(inner: Registry, policy: AccessPolicy) {
    this.#inner = inner;
    this.#policy = policy;
  }

  getBlob(repo: RepositoryName, digest: Digest, caller: Caller, delivery?: Delivery): ReturnType<Registry['getBlob']> {
    this.#requirePull(repo, caller);
    return this.#inner.getBlob(repo, digest, caller, delivery);
  }

  resolveBlob(repo: RepositoryName, digest: Digest, caller: Caller): ReturnType<Registry['resolveBlob']> {
    this.#requirePull(repo, caller);
    return this.#inner.resolveBlob(repo, digest, caller);
  }

  getManifest(repo: RepositoryName, reference: Reference, caller: Caller): ReturnType<Registry['getManifest']> {
    this.#requirePull(repo, caller);
    return this.#inner.getManifest(repo, reference, caller);
  }

  resolveManifest(repo: RepositoryName, reference: Reference, caller: Caller): ReturnType<Registry['resolveManifest']> {
    this.#requirePull(repo, caller);
    return this.#inner.resolveManifest(repo, reference, caller);
  }

  /** A caller who may not push has no upload to skip, so HEAD only resolves the blob and writes nothing. */
  renewBlob(repo: RepositoryName, digest: Digest, caller: Caller): ReturnType<Registry['renewBlob']> {
    this.#requirePull(repo, caller);
    return this.#policy.allows(caller, 'create', repo)
      ? this.#inner.renewBlob(repo, digest, caller)
      : this.#inner.resolveBlob(repo, digest, caller);
  }

  renewManifest(repo: RepositoryName, reference: Reference, caller: Caller): ReturnType<Registry['renewManifest']> {
    this.#requirePull(repo, caller);
    return this.#policy.allows(caller, 'create', repo)
      ? this.#inner.renewManifest(repo, reference, caller)
      : this.#inner.resolveManifest(repo, reference, caller);
  }

  async pushBlob(repo: RepositoryName, digest: Digest, body: UploadBody, caller: Caller): Promise<void> {
    this.#require('create', repo, caller);
    await this.#inner.pushBlob(repo, digest, body, caller);
  }

  async startUpload(repo: RepositoryName, algorithm: Algorithm, caller: Caller): ReturnType<Registry['startUpload']> {
    this.#require('create', repo, caller);
    return await this.#inner.startUpload(repo, algorithm, caller);
  }

  async appendToUpload(
    repo: RepositoryName,
    id: UploadId,
    body: UploadBody,
    range: ContentRange | undefined,
    caller: Caller,
  ): ReturnType<Registry['appendToUpload']> {
    this.#require('create', repo, caller);
    return await this.#inner.appendToUpload(repo, id, body, range, caller);
  }

  async closeUpload(
    repo: RepositoryName,
    id: UploadId,
    digest: Digest,
    body: UploadBody,
    range: ContentRange | undefined,
    caller: Caller,
  ): Promise<void> {
    this.#require('create', repo, caller);
    await this.#inner.closeUpload(repo, id, digest, body, range, caller);
  }

  async uploadStatus(repo: RepositoryName, id: UploadId, caller: Caller): ReturnType<Registry['uploadStatus']> {
    this.#require('create', repo, caller);
    return await this.#inner.uploadStatus(repo, id, caller);
  }

  async cancelUpload(repo: RepositoryName, id: UploadId, caller: Caller): Promise<void> {
    this.#require('create', repo, caller);
    await this.#inner.cancelUpload(repo, id, caller);
  }

  /** A forbidden source counts as no source, so the client uploads and cannot learn whether the source has the blob. */
  async mountBlob(
    repo: RepositoryName,
    digest: Digest,
    from: RepositoryName | undefined,
    caller: Caller,
  ): Promise<boolean> {
    this.#require('create', repo, caller);
    if (from !== undefined && !this.#policy.allows(caller, 'pull', from)) return false;
    return await this.#inner.mountBlob(repo, digest, from, caller);
  }

  async pushManifest(
    repo: RepositoryName,
    manifest: PushedManifest,
    caller: Caller,
    guard?: TagGuard,
  ): ReturnType<Registry['pushManifest']> {
    this.#require('create', repo, caller);
    const mayMoveTags = this.#policy.allows(caller, 'push', repo);
    return await this.#hidingTags(repo, caller, () =>
      this.#inner.pushManifest(repo, manifest, caller, mayMoveTags ? guard : createOnly(repo, guard)),
    );
  }

  async deleteBlob(repo: RepositoryName, digest: Digest, caller: Caller): Promise<void> {
    this.#require('delete', repo, caller);
    await this.#inner.deleteBlob(repo, digest, caller);
  }

  async deleteManifest(repo: RepositoryName, digest: Digest, caller: Caller, guard?: TagGuard): Promise<void> {
    this.#require('delete', repo, caller);
    await this.#inner.deleteManifest(repo, digest, caller, guard);
  }

  async deleteTag(
    repo: RepositoryName,
    tag: Tag,
    condition: TagCondition | undefined,
    caller: Caller,
    guard?: TagGuard,
  ): Promise<void> {
    this.#require('delete', repo, caller);
    await this.#hidingTags(repo, caller, () => this.#inner.deleteTag(repo, tag, condition, caller, guard));
  }

  tags(repo: RepositoryName, page: PageRequest, caller: Caller): ReturnType<Registry['tags']> {
    this.#requirePull(repo, caller);
    return this.#inner.tags(repo, page, caller);
  }

  async repositories(page: PageRequest, caller: Caller, base?: RepositoryName): ReturnType<Registry['repositories']> {
    if (!this.#policy.allowsRegistry(caller, 'catalog')) {
      throw new RegistryError('denied', 'you may not list the repositories');
    }
    return await this.#inner.repositories(page, caller, base);
  }

  async referrers(
    repo: RepositoryName,
    subject: Digest,
    request: ReferrersRequest,
    caller: Caller,
  ): ReturnType<Registry['referrers']> {
    // The same response as for a repository that does not exist: "the response MUST be a JSON body with an image index", never a 404.
    if (!this.#policy.allows(caller, 'pull', repo)) return { items: [], more: false };
    return await this.#inner.referrers(repo, subject, request, caller);
  }

  refusalOf(write: WriteKind, repo: RepositoryName, caller: Caller): RegistryError | undefined {
    return this.#denialOf(write, repo, caller) ?? this.#inner.refusalOf(write, repo, caller);
  }

  /** A caller who may write but not pull learns that a condition does not hold, but not which manifest the tag points to. */
  async #hidingTags<T>(repo: RepositoryName, caller: Caller, write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      const isUnmet = error instanceof RegistryError && error.kind === 'precondition-failed';
      if (!isUnmet || this.#policy.allows(caller, 'pull', repo)) throw error;
      throw new RegistryError('precondition-failed', 'nothing was changed: the tag is not what the condition expects');
    }
  }

  /** A caller who may not pull gets the response for a missing repository, so that names of private repositories do not leak. */
  #requirePull(repo: RepositoryName, caller: Caller): void {
    if (!this.#policy.allows(caller, 'pull', repo)) throw nameUnknown(repo);
  }

  #require(action: WriteKind, repo: RepositoryName, caller: Caller): void {
    const refusal = this.#denialOf(action, repo, caller);
    if (refusal !== undefined) throw refusal;
  }

  #denialOf(action: WriteKind, repo: RepositoryName, caller: Caller): RegistryError | undefined {
    if (this.#policy.allows(caller, action, repo)) return undefined;
    return new RegistryError('denied', `you may not ${VERBS[action]} ${repo}`, { name: repo });
  }
}

/**
 * Allows new tags, but refuses to move existing ones. It runs within the decision, so only one of two concurrent pushes can create a tag.
 * Setting a tag to its current digest is allowed, so that a push can be repeated.
 */
function createOnly(repo: RepositoryName, outer: TagGuard | undefined): TagGuard {
  return (changes) => {
    const moved = changes.filter(({ before, after }) => before !== undefined && before !== after).map(({ tag }) => tag);
    if (moved.length === 0) return outer?.(changes);
    const names = moved.slice(0, MAX_NAMED);
    const message = `you may create tags in ${repo}, but not move ${names.join(', ')}: push under a new tag`;
    return new RegistryError('denied', message, { tags: names });
  };
}

const VERBS: Readonly<Record<WriteKind, string>> = {
  push: 'push to',
  create: 'push to',
  delete: 'delete from',
};
