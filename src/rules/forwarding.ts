import type { Caller } from '../access/access.ts';
import type { Algorithm } from '../oci/digest.ts';
import type { RegistryError } from '../oci/errors.ts';
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
import type { ContentRange, UploadBody } from '../registry/upload-body.ts';

/** A registry that forwards every call to another one. A rule extends it and overrides the methods it applies to. */
export abstract class Forwarding implements Registry {
  protected readonly inner: Registry;

  constructor(inner: Registry) {
    this.inner = inner;
  }

  getBlob(repo: RepositoryName, digest: Digest, caller: Caller, delivery?: Delivery): ReturnType<Registry['getBlob']> {
    return this.inner.getBlob(repo, digest, caller, delivery);
  }

  resolveBlob(repo: RepositoryName, digest: Digest, caller: Caller): ReturnType<Registry['resolveBlob']> {
    return this.inner.resolveBlob(repo, digest, caller);
  }

  getManifest(repo: RepositoryName, reference: Reference, caller: Caller): ReturnType<Registry['getManifest']> {
    return this.inner.getManifest(repo, reference, caller);
  }

  resolveManifest(repo: RepositoryName, reference: Reference, caller: Caller): ReturnType<Registry['resolveManifest']> {
    return this.inner.resolveManifest(repo, reference, caller);
  }

  renewBlob(repo: RepositoryName, digest: Digest, caller: Caller): ReturnType<Registry['renewBlob']> {
    return this.inner.renewBlob(repo, digest, caller);
  }

  renewManifest(repo: RepositoryName, reference: Reference, caller: Caller): ReturnType<Registry['renewManifest']> {
    return this.inner.renewManifest(repo, reference, caller);
  }

  pushBlob(repo: RepositoryName, digest: Digest, body: UploadBody, caller: Caller): ReturnType<Registry['pushBlob']> {
    return this.inner.pushBlob(repo, digest, body, caller);
  }

  startUpload(repo: RepositoryName, algorithm: Algorithm, caller: Caller): ReturnType<Registry['startUpload']> {
    return this.inner.startUpload(repo, algorithm, caller);
  }

  appendToUpload(
    repo: RepositoryName,
    id: UploadId,
    body: UploadBody,
    range: ContentRange | undefined,
    caller: Caller,
  ): ReturnType<Registry['appendToUpload']> {
    return this.inner.appendToUpload(repo, id, body, range, caller);
  }

  closeUpload(
    repo: RepositoryName,
    id: UploadId,
    digest: Digest,
    body: UploadBody,
    range: ContentRange | undefined,
    caller: Caller,
  ): ReturnType<Registry['closeUpload']> {
    return this.inner.closeUpload(repo, id, digest, body, range, caller);
  }

  uploadStatus(repo: RepositoryName, id: UploadId, caller: Caller): ReturnType<Registry['uploadStatus']> {
    return this.inner.uploadStatus(repo, id, caller);
  }

  cancelUpload(repo: RepositoryName, id: UploadId, caller: Caller): ReturnType<Registry['cancelUpload']> {
    return this.inner.cancelUpload(repo, id, caller);
  }

  mountBlob(
    repo: RepositoryName,
    digest: Digest,
    from: RepositoryName | undefined,
    caller: Caller,
  ): ReturnType<Registry['mountBlob']> {
    return this.inner.mountBlob(repo, digest, from, caller);
  }

  pushManifest(
    repo: RepositoryName,
    manifest: PushedManifest,
    caller: Caller,
    guard?: TagGuard,
  ): ReturnType<Registry['pushManifest']> {
    return this.inner.pushManifest(repo, manifest, caller, guard);
  }

  deleteBlob(repo: RepositoryName, digest: Digest, caller: Caller): ReturnType<Registry['deleteBlob']> {
    return this.inner.deleteBlob(repo, digest, caller);
  }

  deleteManifest(
    repo: RepositoryName,
    digest: Digest,
    caller: Caller,
    guard?: TagGuard,
  ): ReturnType<Registry['deleteManifest']> {
    return this.inner.deleteManifest(repo, digest, caller, guard);
  }

  deleteTag(
    repo: RepositoryName,
    tag: Tag,
    condition: TagCondition | undefined,
    caller: Caller,
    guard?: TagGuard,
  ): ReturnType<Registry['deleteTag']> {
    return this.inner.deleteTag(repo, tag, condition, caller, guard);
  }

  tags(repo: RepositoryName, page: PageRequest, caller: Caller): ReturnType<Registry['tags']> {
    return this.inner.tags(repo, page, caller);
  }

  repositories(page: PageRequest, caller: Caller, base?: RepositoryName): ReturnType<Registry['repositories']> {
    return this.inner.repositories(page, caller, base);
  }

  referrers(
    repo: RepositoryName,
    subject: Digest,
    request: ReferrersRequest,
    caller: Caller,
  ): ReturnType<Registry['referrers']> {
    return this.inner.referrers(repo, subject, request, caller);
  }

  refusalOf(write: WriteKind, repo: RepositoryName, caller: Caller): RegistryError | undefined {
    return this.inner.refusalOf(write, repo, caller);
  }
}
