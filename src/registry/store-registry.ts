import type { Caller } from '../access/access.ts';
import type { Algorithm } from '../oci/digest.ts';
import type { Digest, RepositoryName, Tag, UploadId } from '../oci/names.ts';
import type { Answer, FoundManifest } from '../projection/projection.ts';
import { Blobs } from './blobs.ts';
import type {
  Delivery,
  PageRequest,
  PushedManifest,
  Reference,
  ReferrersRequest,
  Registry,
  ResolvedManifest,
  TagCondition,
  TagGuard,
} from './interface.ts';
import { Linking } from './linking.ts';
import { Listings } from './listings.ts';
import { Manifests } from './manifests.ts';
import type { RegistryPorts } from './ports.ts';
import { nameUnknown } from './require-repository.ts';
import type { ContentRange, UploadBody } from './upload-body.ts';
import { Uploads } from './uploads.ts';

/**
 * The registry backed by the store: its logs, its blobs and the projection of the logs. The rules around it (src/rules/) decide
 * what a request may do. Its parts are public for tests of the domain; requests use the interface.
 */
export class StoreRegistry implements Registry {
  readonly blobs: Blobs;
  readonly manifests: Manifests;
  readonly linking: Linking;
  readonly uploads: Uploads;
  readonly listings: Listings;

  constructor(ports: RegistryPorts) {
    this.blobs = new Blobs(ports);
    this.manifests = new Manifests(ports);
    this.linking = new Linking(ports);
    this.uploads = new Uploads(ports, this.linking);
    this.listings = new Listings(ports);
  }

  getBlob(repo: RepositoryName, digest: Digest, caller: Caller, delivery?: Delivery): ReturnType<Registry['getBlob']> {
    return this.blobs.get(repo, digest, caller, delivery);
  }

  resolveBlob(repo: RepositoryName, digest: Digest): ReturnType<Registry['resolveBlob']> {
    return this.blobs.resolve(repo, digest);
  }

  getManifest(repo: RepositoryName, reference: Reference, caller: Caller): ReturnType<Registry['getManifest']> {
    return this.manifests.get(repo, reference, caller);
  }

  resolveManifest(repo: RepositoryName, reference: Reference): ReturnType<Registry['resolveManifest']> {
    return this.#describe(repo, this.manifests.resolve(repo, reference));
  }

  renewBlob(repo: RepositoryName, digest: Digest): ReturnType<Registry['renewBlob']> {
    return this.blobs.renew(repo, digest);
  }

  renewManifest(repo: RepositoryName, reference: Reference): ReturnType<Registry['renewManifest']> {
    return this.#describe(repo, this.manifests.renew(repo, reference));
  }

  #describe(repo: RepositoryName, found: Answer<FoundManifest>): Answer<ResolvedManifest> {
    return found instanceof Promise ? this.#describeLater(repo, found) : this.manifests.describe(repo, found);
  }

  async #describeLater(repo: RepositoryName, found: Promise<FoundManifest>): Promise<ResolvedManifest> {
    return await this.manifests.describe(repo, await found);
  }

  pushBlob(repo: RepositoryName, digest: Digest, body: UploadBody, caller: Caller): Promise<void> {
    return this.uploads.monolithic({ repo, caller }, digest, body);
  }

  startUpload(repo: RepositoryName, algorithm: Algorithm, caller: Caller): ReturnType<Registry['startUpload']> {
    return this.uploads.start({ repo, caller }, algorithm);
  }

  appendToUpload(
    repo: RepositoryName,
    id: UploadId,
    body: UploadBody,
    range: ContentRange | undefined,
    caller: Caller,
  ): ReturnType<Registry['appendToUpload']> {
    return this.uploads.append(id, { repo, caller }, body, range);
  }

  closeUpload(
    repo: RepositoryName,
    id: UploadId,
    digest: Digest,
    body: UploadBody,
    range: ContentRange | undefined,
    caller: Caller,
  ): Promise<void> {
    return this.uploads.close(id, { repo, caller }, digest, body, range);
  }

  uploadStatus(repo: RepositoryName, id: UploadId, caller: Caller): ReturnType<Registry['uploadStatus']> {
    return this.uploads.status(id, { repo, caller });
  }

  cancelUpload(repo: RepositoryName, id: UploadId, caller: Caller): Promise<void> {
    return this.uploads.cancel(id, { repo, caller });
  }

  mountBlob(repo: RepositoryName, digest: Digest, from: RepositoryName | undefined, caller: Caller): Promise<boolean> {
    return this.linking.mount(repo, digest, from, caller);
  }

  pushManifest(
    repo: RepositoryName,
    manifest: PushedManifest,
    { actor }: Caller,
    guard?: TagGuard,
  ): ReturnType<Registry['pushManifest']> {
    return this.manifests.put(repo, manifest, actor, guard);
  }

  deleteBlob(repo: RepositoryName, digest: Digest, { actor }: Caller): Promise<void> {
    return this.blobs.delete(repo, digest, actor);
  }

  deleteManifest(repo: RepositoryName, digest: Digest, { actor }: Caller, guard?: TagGuard): Promise<void> {
    return this.manifests.delete(repo, digest, actor, guard);
  }

  deleteTag(
    repo: RepositoryName,
    tag: Tag,
    condition: TagCondition | undefined,
    { actor }: Caller,
    guard?: TagGuard,
  ): Promise<void> {
    return this.manifests.deleteTag(repo, tag, condition, actor, guard);
  }

  tags(repo: RepositoryName, page: PageRequest): ReturnType<Registry['tags']> {
    return this.listings.tags(repo, page);
  }

  async repositories(page: PageRequest, caller: Caller, base?: RepositoryName): ReturnType<Registry['repositories']> {
    if (base !== undefined) throw nameUnknown(base);
    return await this.listings.repositories(page, caller);
  }

  referrers(
    repo: RepositoryName,
    subject: Digest,
    request: ReferrersRequest,
    caller: Caller,
  ): ReturnType<Registry['referrers']> {
    return this.listings.referrers(repo, subject, request, caller);
  }

  /** What is allowed is for the rules around it. */
  refusalOf(): undefined {
    return undefined;
  }
}
