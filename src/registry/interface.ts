import type { Caller } from '../access/access.ts';
import type { Algorithm } from '../oci/digest.ts';
import type { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName, Tag, UploadId } from '../oci/names.ts';
import type { Answer, Page } from '../projection/projection.ts';
import type { ObjectBody } from '../storage/driver.ts';
import type { ContentRange, UploadBody } from './upload-body.ts';

/*
 * What a registry can do, in the spec's words. Between `http/` and everything that answers requests stands this interface alone:
 * the store's own registry (registry.ts) implements it, and so does each rule about requests (src/rules/), as a wrapper around
 * another registry.
 *
 * Errors are `RegistryError`s of the kinds that each method names. Beyond those every method may fail with `denied`
 * (the caller may not do this), `unavailable` (no answer in time; a write may or may not have happened), `log-broken` and
 * `content-damaged` (the operator has to act); methods that write also with `read-only`, `writes-paused` and `storage-full`.
 *
 * An `Answer` is a value or a promise of one. Where the value is known at once it is returned, or thrown, without a promise: a pull
 * from memory never waits. All writes are idempotent: a client that got no answer may send its request again.
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

/** What a client should be told beside the answer, one sentence each, in ASCII and without quotes. Left out: nothing. */
export interface Warned {
  readonly warnings?: readonly string[] | undefined;
}

/** A manifest that is there. */
export interface ResolvedManifest extends Descriptor, Warned {}

export interface Manifest extends Warned {
  readonly descriptor: Descriptor;
  /** Exactly as they were pushed. Shared with others: not to be changed. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** How the bytes of a blob reach a client. */
export type BlobContent =
  /** In memory. Shared with others: not to be changed. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array<ArrayBuffer> }
  | ObjectBody
  /** Anyone who has this address can GET the bytes there for a while. */
  | { readonly kind: 'elsewhere'; readonly url: string };

export type Delivery = 'anywhere' | 'here';

export interface Blob {
  /** Bytes. */
  readonly size: number;
  readonly content: BlobContent;
}

export interface PushedManifest {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Of the request, without parameters. */
  readonly contentType: string | undefined;
  /** What the client says the digest is. */
  readonly digest: Digest | undefined;
  /** Tags to set, each once. */
  readonly tags: readonly Tag[];
}

export interface PushedResult extends Warned {
  readonly digest: Digest;
  readonly subject: Digest | undefined;
}

/** An upload session. */
export interface Upload {
  readonly id: UploadId;
  readonly repo: RepositoryName;
  /** Bytes that are durably stored: the client goes on from there. */
  readonly offset: number;
}

/** Where a page of names begins and how long it may be. */
export interface PageRequest {
  /** The page begins behind this one, which need not exist. undefined: from the first. */
  readonly after: string | undefined;
  /** At most so many items; a registry may give fewer. undefined: as many as it thinks right. */
  readonly limit: number | undefined;
}

export interface ReferrersRequest {
  readonly artifactType: string | undefined;
  readonly after: Digest | undefined;
  /** Asked for each one in order before it is taken: false ends the page before it. */
  readonly fits: (referrer: Descriptor) => boolean;
}

/** What a change does to one tag. undefined: there is none, before or afterwards. */
export interface TagChange {
  readonly tag: Tag;
  readonly before: Digest | undefined;
  readonly after: Digest | undefined;
}

/**
 * Says why a change may not be made; undefined when it may. Asked in the decision itself, with the tags of the very state that the
 * change is made to, maybe more than once: nobody can come in between, which a look before the change could not promise.
 */
export type TagGuard = (changes: readonly TagChange[]) => RegistryError | undefined;

/** Nothing here changes anything. */
export interface Reader {
  /**
   * GET of a blob.
   * @param delivery `here`: an address elsewhere will not do. By default `anywhere`.
   * @throws `name-unknown`, `blob-unknown`
   */
  getBlob(repo: RepositoryName, digest: Digest, caller: Caller, delivery?: Delivery): Answer<Blob>;
  /**
   * Whether a blob is there, and how long it is. That its bytes are intact is not looked at.
   * @throws `name-unknown`, `blob-unknown`
   */
  resolveBlob(repo: RepositoryName, digest: Digest, caller: Caller): Answer<{ readonly size: number }>;
  /**
   * GET of a manifest.
   * @throws `name-unknown`, `manifest-unknown`
   */
  getManifest(repo: RepositoryName, reference: Reference, caller: Caller): Answer<Manifest>;
  /**
   * What a tag points to, or whether a manifest is there.
   * @throws `name-unknown`, `manifest-unknown`
   */
  resolveManifest(repo: RepositoryName, reference: Reference, caller: Caller): Answer<ResolvedManifest>;
}

export interface Writer {
  /**
   * HEAD of a blob by a client that skips its upload if the blob is there. Resolves it as `resolveBlob`; a blob that nothing
   * refers to, and that garbage collection would soon take, is linked anew first. Where the caller may only read, or
   * nothing may be written, it just resolves.
   * @throws `name-unknown`; `blob-unknown` also where the blob cannot be linked anew, so that the client uploads it
   */
  renewBlob(repo: RepositoryName, digest: Digest, caller: Caller): Answer<{ readonly size: number }>;
  /**
   * HEAD of a manifest by a client that skips its push if the manifest is there. As `renewBlob`, with one that has no tag and that
   * retention would soon delete.
   * @throws as `resolveManifest`
   */
  renewManifest(repo: RepositoryName, reference: Reference, caller: Caller): Answer<ResolvedManifest>;
  /**
   * The single POST with a whole blob.
   * @throws `digest-mismatch`, `size-mismatch`, `upload-interrupted`, `upload-stalled`: nothing was changed
   */
  pushBlob(repo: RepositoryName, digest: Digest, body: UploadBody, caller: Caller): Promise<void>;
  /**
   * Begins an upload session. It belongs to this repository and this actor; to all others it is unknown.
   * @param algorithm of the digest that it will be closed with, as far as the client says it: a wrong one only costs time
   */
  startUpload(repo: RepositoryName, algorithm: Algorithm, caller: Caller): Promise<Upload>;
  /**
   * PATCH: adds bytes. Of a body that breaks off, what came is kept.
   * @param range undefined: the bytes go behind those that are there
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
   * PUT: adds the last bytes, if any, verifies the whole and makes it a blob of the repository. The session ends.
   * @throws as `appendToUpload`; `digest-mismatch`: the session may go on
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
   * How far an upload is. Changes nothing.
   * @throws `upload-unknown`
   */
  uploadStatus(repo: RepositoryName, id: UploadId, caller: Caller): Promise<Upload>;
  /**
   * Ends a session and drops its bytes.
   * @throws `upload-unknown`, `upload-busy`
   */
  cancelUpload(repo: RepositoryName, id: UploadId, caller: Caller): Promise<void>;
  /**
   * Makes a blob of another repository one of this repository, without its bytes travelling.
   * @param from undefined: the registry may look for one itself, among those that the caller may pull from
   * @returns false: the client must upload it. There is no such source, or the caller may not pull from it.
   */
  mountBlob(repo: RepositoryName, digest: Digest, from: RepositoryName | undefined, caller: Caller): Promise<boolean>;
  /**
   * Stores a manifest and sets its tags, all at once: no tag is ever seen without its manifest.
   * @returns its digest, and the subject that it names
   * @throws `digest-mismatch`, `manifest-invalid`, `manifest-references-unknown`; what `guard` refuses with
   */
  pushManifest(repo: RepositoryName, manifest: PushedManifest, caller: Caller, guard?: TagGuard): Promise<PushedResult>;
}

/** What is deleted is gone from every later answer. Its bytes are freed later, by garbage collection. */
export interface Deleter {
  /** @throws `delete-disabled`, `name-unknown`, `blob-unknown`; `blob-referenced` while a manifest refers to it */
  deleteBlob(repo: RepositoryName, digest: Digest, caller: Caller): Promise<void>;
  /**
   * Deletes a manifest together with every tag that points to it.
   * @throws `delete-disabled`, `name-unknown`, `manifest-unknown`; what `guard` refuses with
   */
  deleteManifest(repo: RepositoryName, digest: Digest, caller: Caller, guard?: TagGuard): Promise<void>;
  /**
   * Deletes a tag. Its manifest stays.
   * @throws `delete-disabled`, `name-unknown`, `manifest-unknown`; what `guard` refuses with
   */
  deleteTag(repo: RepositoryName, tag: Tag, caller: Caller, guard?: TagGuard): Promise<void>;
}

/** Nothing here changes anything. */
export interface Lister {
  /**
   * Tags in the order of their bytes.
   * @throws `name-unknown`
   */
  tags(repo: RepositoryName, page: PageRequest, caller: Caller): Answer<Page<Tag>>;
  /** Repositories that the caller may pull from, in the order of their bytes: filtered first, then cut into pages. */
  repositories(page: PageRequest, caller: Caller): Promise<Page<RepositoryName>>;
  /**
   * Descriptors of the manifests whose subject this is, in the order of their digests. A subject or a repository that does not exist
   * has none.
   */
  referrers(
    repo: RepositoryName,
    subject: Digest,
    request: ReferrersRequest,
    caller: Caller,
  ): Promise<Page<Descriptor>>;
}

export interface Registry extends Reader, Writer, Deleter, Lister {}
