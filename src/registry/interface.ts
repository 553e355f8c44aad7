import type { Action, Caller } from '../access/access.ts';
import type { Algorithm } from '../oci/digest.ts';
import type { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName, Tag, UploadId } from '../oci/names.ts';
import type { Answer, Page } from '../projection/projection.ts';
import type { ObjectBody } from '../storage/driver.ts';
import type { ContentRange, UploadBody } from './upload-body.ts';

/*
 * The operations of a registry, in the spec's words. `http/` knows only this interface. The registry on the store
 * (store-registry.ts) implements it, and so does each rule about requests (src/rules/), as a wrapper around another registry.
 *
 * Errors are `RegistryError`s of the kinds that each method lists. In addition every method may fail with `denied` (the caller may
 * not do this), `unavailable` (no answer in time; a write may or may not have happened), `log-broken` and `content-damaged` (the
 * operator has to act), and methods that write also with `read-only`, `writes-paused` and `storage-full`.
 *
 * An `Answer` is a value or a promise of one. A value that is in memory is returned, or its error thrown, without a promise, so a
 * pull from memory never waits. All writes are idempotent: a client that got no answer may repeat its request.
 */

/** What the spec calls a descriptor. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly artifactType?: string | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** How a client names a manifest. */
export type Reference =
  | { readonly kind: 'tag'; readonly tag: Tag }
  | { readonly kind: 'digest'; readonly digest: Digest };

/** Warnings sent to the client with the answer, one ASCII sentence each, without quotes. */
export interface Warned {
  readonly warnings?: readonly string[] | undefined;
}

/** The answer to HEAD of an existing manifest. */
export interface ResolvedManifest extends Descriptor, Warned {}

export interface Manifest extends Warned {
  readonly descriptor: Descriptor;
  /** Exactly as they were pushed. Shared with other requests, so they must not be modified. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** How the bytes of a blob reach a client. */
export type BlobContent =
  /** In memory. Shared with other requests, so they must not be modified. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array<ArrayBuffer> }
  | ObjectBody
  /** A presigned URL, from which any client that has it can GET the bytes until it expires. */
  | { readonly kind: 'elsewhere'; readonly url: string };

export type Delivery = 'anywhere' | 'here';

export interface Blob {
  /** Bytes. */
  readonly size: number;
  readonly content: BlobContent;
}

/** What a client expects a tag to be before its write. The store checks it within the decision, so no other write can come in between. */
export type TagCondition =
  /** If-Match: the tag points to one of these digests. */
  | { readonly kind: 'is'; readonly digests: readonly Digest[] }
  /** If-Match: * */
  | { readonly kind: 'exists' }
  /** If-None-Match: * */
  | { readonly kind: 'absent' };

export interface PushedManifest {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Of the request, without parameters. */
  readonly contentType: string | undefined;
  /** The digest that the client expects, if it gave one. */
  readonly digest: Digest | undefined;
  /** Tags to set, without duplicates. */
  readonly tags: readonly Tag[];
  /** Must hold for each of the tags. */
  readonly condition?: TagCondition | undefined;
}

export interface PushedResult extends Warned {
  readonly digest: Digest;
  readonly subject: Digest | undefined;
}

/** An upload session. */
export interface Upload {
  readonly id: UploadId;
  readonly repo: RepositoryName;
  /** Bytes that are stored durably. The client continues from here. */
  readonly offset: number;
}

/** Where a page of names begins and how long it may be. */
export interface PageRequest {
  /** The page begins after this name, which need not exist; undefined: at the first name. */
  readonly after: string | undefined;
  /** The most items wanted; a registry may return fewer. undefined: the registry's default. */
  readonly limit: number | undefined;
}

/** A page of the catalog. It may have fewer items than its limit, or none, though more follow. */
export interface CatalogPage extends Page<RepositoryName> {
  /** What the next page begins after, where that is not the last item. It tells nothing of what the caller may not see. */
  readonly resume?: string;
}

export interface ReferrersRequest {
  readonly artifactType: string | undefined;
  readonly after: Digest | undefined;
  /** Called for each referrer in order. The first false ends the page before that referrer. */
  readonly fits: (referrer: Descriptor) => boolean;
}

/** What a change does to one tag. `before` is undefined if the tag is new, `after` if it is deleted. */
export interface TagChange {
  readonly tag: Tag;
  readonly before: Digest | undefined;
  readonly after: Digest | undefined;
}

/**
 * Returns why a change is refused, or undefined if it is allowed. It runs inside the decision, on the state that the change is
 * applied to, so no other write can come in between. It may run more than once.
 */
export type TagGuard = (changes: readonly TagChange[]) => Answer<RegistryError | undefined>;

/** Operations that change nothing. */
export interface Reader {
  /**
   * GET of a blob.
   * @param delivery `here`: the answer must carry the bytes and not a URL. The default is `anywhere`.
   * @throws `name-unknown`, `blob-unknown`
   */
  getBlob(repo: RepositoryName, digest: Digest, caller: Caller, delivery?: Delivery): Answer<Blob>;
  /**
   * HEAD of a blob: its size. It does not check that the bytes are intact.
   * @throws `name-unknown`, `blob-unknown`
   */
  resolveBlob(repo: RepositoryName, digest: Digest, caller: Caller): Answer<{ readonly size: number }>;
  /**
   * GET of a manifest.
   * @throws `name-unknown`, `manifest-unknown`
   */
  getManifest(repo: RepositoryName, reference: Reference, caller: Caller): Answer<Manifest>;
  /**
   * HEAD of a manifest: its descriptor.
   * @throws `name-unknown`, `manifest-unknown`
   */
  resolveManifest(repo: RepositoryName, reference: Reference, caller: Caller): Answer<ResolvedManifest>;
}

export interface Writer {
  /**
   * HEAD of a blob by a client that skips its upload if the blob exists. Works like `resolveBlob`, but a blob without references
   * that garbage collection would soon remove is linked again first. If the caller may only read, or writes are off, it just
   * resolves.
   * @throws `name-unknown`; `blob-unknown` also if the link could not be renewed, so that the client uploads the blob
   */
  renewBlob(repo: RepositoryName, digest: Digest, caller: Caller): Answer<{ readonly size: number }>;
  /**
   * HEAD of a manifest by a client that skips its push if the manifest exists. Like `renewBlob`, for an untagged manifest that
   * retention would soon delete.
   * @throws as `resolveManifest`
   */
  renewManifest(repo: RepositoryName, reference: Reference, caller: Caller): Answer<ResolvedManifest>;
  /**
   * Pushes a whole blob in a single POST.
   * @throws `digest-mismatch`, `size-mismatch`, `upload-interrupted`, `upload-stalled`: nothing was changed
   */
  pushBlob(repo: RepositoryName, digest: Digest, body: UploadBody, caller: Caller): Promise<void>;
  /**
   * Begins an upload session. It belongs to this repository and this actor; any other repository or actor gets `upload-unknown`.
   * @param algorithm the digest algorithm the client announced. If it closes with another one, the bytes are hashed again.
   */
  startUpload(repo: RepositoryName, algorithm: Algorithm, caller: Caller): Promise<Upload>;
  /**
   * PATCH: appends bytes. If the body breaks off, the bytes received until then are kept.
   * @param range undefined: the bytes are appended at the current offset
   * @throws `upload-unknown`, `upload-busy`, `upload-out-of-order`, `size-mismatch`, `upload-interrupted`, `upload-stalled`
   */
  appendToUpload(
    repo: RepositoryName,
    id: UploadId,
    body: UploadBody,
    range: ContentRange | undefined,
    caller: Caller,
  ): Promise<Upload>;
  /**
   * PUT: appends the last bytes, if any, verifies the digest and links the blob in the repository. The session ends.
   * @throws as `appendToUpload`; `digest-mismatch`, after which the session usually still exists
   */
  closeUpload(
    repo: RepositoryName,
    id: UploadId,
    digest: Digest,
    body: UploadBody,
    range: ContentRange | undefined,
    caller: Caller,
  ): Promise<void>;
  /**
   * The progress of an upload. Changes nothing.
   * @throws `upload-unknown`
   */
  uploadStatus(repo: RepositoryName, id: UploadId, caller: Caller): Promise<Upload>;
  /**
   * Ends a session and deletes its bytes.
   * @throws `upload-unknown`, `upload-busy`
   */
  cancelUpload(repo: RepositoryName, id: UploadId, caller: Caller): Promise<void>;
  /**
   * Links a blob of another repository in this one without an upload.
   * @param from undefined: the registry may look for a source itself, among the repositories the caller may pull from
   * @returns false if there is no such source or the caller may not pull from it: the client must upload the blob
   */
  mountBlob(repo: RepositoryName, digest: Digest, from: RepositoryName | undefined, caller: Caller): Promise<boolean>;
  /**
   * Stores a manifest and sets its tags atomically: no reader ever sees a tag without its manifest.
   * @returns the digest of the manifest and its subject
   * @throws `digest-mismatch`, `manifest-invalid`, `manifest-references-unknown`; `precondition-failed` if the condition does not
   * hold, with `detail.tag` and `detail.digest`, what the tag is now (null: it does not exist); the error that `guard` returns
   */
  pushManifest(repo: RepositoryName, manifest: PushedManifest, caller: Caller, guard?: TagGuard): Promise<PushedResult>;
}

/** Deleted content is absent from every later answer. Garbage collection frees its bytes later. */
export interface Deleter {
  /** @throws `delete-disabled`, `name-unknown`, `blob-unknown`; `blob-referenced` while a manifest refers to it */
  deleteBlob(repo: RepositoryName, digest: Digest, caller: Caller): Promise<void>;
  /**
   * Deletes a manifest and every tag that points to it.
   * @throws `delete-disabled`, `name-unknown`, `manifest-unknown`; the error that `guard` returns
   */
  deleteManifest(repo: RepositoryName, digest: Digest, caller: Caller, guard?: TagGuard): Promise<void>;
  /**
   * Deletes a tag. Its manifest stays.
   * @throws `delete-disabled`, `name-unknown`, `manifest-unknown`; `precondition-failed` as `pushManifest`; the error that `guard`
   * returns
   */
  deleteTag(
    repo: RepositoryName,
    tag: Tag,
    condition: TagCondition | undefined,
    caller: Caller,
    guard?: TagGuard,
  ): Promise<void>;
}

/** Listings; they change nothing. */
export interface Lister {
  /**
   * Tags in byte order.
   * @throws `name-unknown`
   */
  tags(repo: RepositoryName, page: PageRequest, caller: Caller): Answer<Page<Tag>>;
  /**
   * Repositories the caller may pull from, in byte order. They are filtered before they are paged.
   * @param base the name under which a whole registry stands: the one as it was at a moment; undefined: this registry
   * @throws `name-unknown` if none stands there
   */
  repositories(page: PageRequest, caller: Caller, base?: RepositoryName): Promise<CatalogPage>;
  /**
   * Descriptors of the manifests with this subject, ordered by digest. Empty if the subject or the repository does not exist.
   */
  referrers(
    repo: RepositoryName,
    subject: Digest,
    request: ReferrersRequest,
    caller: Caller,
  ): Promise<Page<Descriptor>>;
}

/** `create`: new tags, and uploads. `push`: also tags that are moved. */
export type WriteKind = Exclude<Action, 'pull'>;

/** Tells before a write whether it can succeed, so that people are offered only what they may do. */
export interface Advisor {
  /**
   * The error that every write of a kind would get now, whatever it writes; undefined if no rule refuses all of them. A rule about one
   * tag or a quota may still refuse some. It only looks at what is in memory.
   */
  refusalOf(write: WriteKind, repo: RepositoryName, caller: Caller): RegistryError | undefined;
}

export interface Registry extends Reader, Writer, Deleter, Lister, Advisor {}
