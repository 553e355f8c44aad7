import type { Actor, Caller } from '../access/access.ts';
import { accept, type Decision, refuse } from '../journal/command.ts';
import type { JournalEvent } from '../journal/events.ts';
import type { ManifestRecord, RepositoryFacts } from '../journal/state.ts';
import { algorithmOf, DEFAULT_ALGORITHM, digestOf } from '../oci/digest.ts';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import { type ManifestFacts, manifestSteps } from '../oci/manifest.ts';
import type { Digest, Incarnation, RepositoryName, Tag } from '../oci/names.ts';
import type { Steps } from '../oci/strict-json.ts';
import type { Answer, FoundManifest, InRepository } from '../projection/projection.ts';
import type { Durability, ObjectStore, WrittenObject } from '../storage/driver.ts';
import { dataKey } from '../storage/paths.ts';
import { mayLink } from './condemned.ts';
import type {
  Descriptor,
  Manifest,
  PushedManifest,
  PushedResult,
  Reference,
  ResolvedManifest,
  TagChange,
  TagCondition,
  TagGuard,
} from './interface.ts';
import {
  decidePut,
  type ManifestPutRequest,
  type PutBytes,
  type PutOutcome,
  putAgain,
  type Renewals,
  referencesUnknown,
  refusedTags,
} from './manifest-put.ts';
import { mapMaybeAsync } from './maybe-async.ts';
import { absentWarning, optionalBlobs } from './optional-blobs.ts';
import type { RegistryPorts } from './ports.ts';
import { nameUnknown, requireRepository } from './require-repository.ts';
import { unmetCondition } from './tag-condition.ts';

/** Errors with which a decision refuses a put: nothing was written to the log. */
const REFUSALS: ReadonlySet<ErrorKind> = new Set([
  'manifest-invalid',
  'manifest-references-unknown',
  'precondition-failed',
  'denied',
]);

/** The blobs a manifest refers to are looked up in batches of this size. */
const LOOKUP_BATCH = 256;

export interface ManifestsPorts
  extends Omit<RegistryPorts, 'driver' | 'sessions' | 'access' | 'positions' | 'openBlob' | 'redirectFor'> {
  readonly driver: ObjectStore & Durability;
}

export class Manifests {
  readonly #ports: ManifestsPorts;

  constructor(ports: ManifestsPorts) {
    this.#ports = ports;
  }

  /** @throws RegistryError `name-unknown`, `manifest-unknown` */
  resolve(repo: RepositoryName, reference: Reference): Answer<FoundManifest> {
    const { projection } = this.#ports;
    const answer =
      reference.kind === 'tag'
        ? projection.manifestByTag(repo, reference.tag)
        : projection.manifestByDigest(repo, reference.digest);
    return answer instanceof Promise ? requireLater(repo, reference, answer) : requireManifest(repo, reference, answer);
  }

  /** Like `resolve`, with the bytes. @throws RegistryError as `resolve`, and `content-damaged` */
  get(repo: RepositoryName, reference: Reference, caller: Caller): Answer<Manifest> {
    const found = this.resolve(repo, reference);
    const cached = found instanceof Promise ? undefined : this.#fromMemory(found);
    return cached ?? this.#complete(repo, found, caller);
  }

  /** What most pulls get, without a promise or a closure. @returns undefined if more must be read first */
  #fromMemory(found: FoundManifest): Manifest | undefined {
    const bytes = this.#ports.cache.get(found.digest);
    if (bytes === undefined || optionalBlobs(bytes, found.record.mediaType).length > 0) return undefined;
    return { descriptor: descriptorOf(found), bytes };
  }

  async #complete(repo: RepositoryName, resolved: Answer<FoundManifest>, caller: Caller): Promise<Manifest> {
    const found = await resolved;
    const bytes = await this.bytes(found, caller);
    const warnings = await this.#warnings(repo, optionalBlobs(bytes, found.record.mediaType));
    return { descriptor: descriptorOf(found), bytes, warnings };
  }

  /** The descriptor, with warnings if the manifest is cached. It never reads from storage. */
  describe(repo: RepositoryName, found: FoundManifest): Answer<ResolvedManifest> {
    const bytes = this.#ports.cache.get(found.digest);
    const optional = bytes === undefined ? [] : optionalBlobs(bytes, found.record.mediaType);
    return optional.length === 0 ? descriptorOf(found) : this.#describeWarned(repo, found, optional);
  }

  async #describeWarned(
    repo: RepositoryName,
    found: FoundManifest,
    optional: readonly Digest[],
  ): Promise<ResolvedManifest> {
    const warnings = await this.#warnings(repo, optional);
    return warnings === undefined ? descriptorOf(found) : { ...descriptorOf(found), warnings };
  }

  async #warnings(repo: RepositoryName, optional: readonly Digest[]): Promise<readonly string[] | undefined> {
    const absent = await this.#missing(repo, optional);
    return absent.length === 0 ? undefined : [absentWarning(absent)];
  }

  /**
   * Like `resolve`, for a client that skips its push if the manifest exists. An untagged manifest that retention would soon delete
   * is put again first, so that it stays until the client pushes its tag or index.
   * @throws RegistryError as `resolve`; also any error of the write
   */
  renew(repo: RepositoryName, reference: Reference): Answer<FoundManifest> {
    const found = this.resolve(repo, reference);
    return found instanceof Promise ? this.#renewLater(repo, reference, found) : this.#renewed(repo, reference, found);
  }

  async #renewLater(repo: RepositoryName, reference: Reference, found: Promise<FoundManifest>): Promise<FoundManifest> {
    return await this.#renewed(repo, reference, await found);
  }

  #renewed(repo: RepositoryName, reference: Reference, found: FoundManifest): Answer<FoundManifest> {
    const isOld = reference.kind === 'digest' && this.#needsRenewal(repo, found.record);
    return isOld ? this.#putAgain(repo, found) : found;
  }

  /** Whether retention would delete it soon if it had no tag. */
  #needsRenewal(repo: RepositoryName, { at }: ManifestRecord): boolean {
    const lifetime = this.#ports.policy.untaggedLifetime(repo);
    return lifetime !== undefined && this.#ports.now() - at > lifetime / 2;
  }

  #putAgain(repo: RepositoryName, { digest }: FoundManifest): Promise<FoundManifest> {
    const decide = (facts: RepositoryFacts): Decision<FoundManifest> => {
      const record = facts.manifest(digest);
      if (record === undefined) return refuse(manifestUnknown(repo, { kind: 'digest', digest }));
      // A reference from an index does not count, because retention may delete that index soon.
      const stays = !this.#needsRenewal(repo, record) || facts.tagsOf(digest).length > 0;
      return stays ? accept({ digest, record }) : accept({ digest, record }, putAgain(digest, record));
    };
    return this.#ports.projection.submit(repo, { needs: { manifests: [digest], tagsOf: [digest] }, decide });
  }

  /**
   * The manifest's bytes, exactly as they were pushed.
   * @throws RegistryError `content-damaged` if the stored bytes are not those that were pushed
   */
  bytes(manifest: FoundManifest, caller: Caller): Answer<Uint8Array<ArrayBuffer>> {
    return this.#ports.cache.get(manifest.digest) ?? this.#read(manifest, caller);
  }

  async #read({ digest, record }: FoundManifest, { signal }: Caller): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.#ports.driver.read(dataKey(record.inc), signal);
    if (bytes === undefined || digestOf(algorithmOf(digest), bytes) !== digest) {
      throw new RegistryError(
        'content-damaged',
        `the stored bytes of ${digest} are damaged: an operator can repair them with fsck --scrub --repair`,
        {
          digest,
        },
      );
    }
    const copy = new Uint8Array(bytes);
    this.#ports.cache.set(digest, copy);
    return copy;
  }

  /**
   * Stores a manifest and sets its tags in one batch, so no reader ever sees a tag without its manifest.
   * @throws RegistryError `digest-mismatch`, `manifest-invalid`, `manifest-references-unknown`, `precondition-failed`,
   * `too-many-requests`; the error that the guard returns
   */
  async put(repo: RepositoryName, pushed: PushedManifest, actor: Actor, guard?: TagGuard): Promise<PushedResult> {
    const { bytes } = pushed;
    const { digest, facts } = await this.#ports.parse(bytes.length, readPushed(pushed));
    // Asked together: with Redis that is one round trip.
    const [answer, missing] = await Promise.all([
      this.#ports.projection.manifestByDigest(repo, digest),
      this.#missing(repo, facts.requiredBlobs),
    ]);
    const existing = answer.kind === 'known' ? answer.value?.record : undefined;
    // Refuses before anything is written. The decision checks again, on the state that the put is applied to.
    if (missing.length > 0) throw referencesUnknown(missing);
    const { tags, condition } = pushed;
    const put = { repo, digest, size: bytes.length, facts, tags, condition, actor, guard };
    const linked = existing !== undefined && (await this.#isStored(existing)) ? existing.inc : undefined;
    if (linked === undefined || (await this.#submit(put, { kind: 'linked', inc: linked })) === undefined) {
      await this.#putOwn(put, bytes, existing?.inc);
    }
    this.#ports.cache.set(digest, bytes);
    const warnings = await this.#warnings(repo, optionalBlobs(bytes, facts.mediaType));
    return { digest, subject: facts.subject, warnings };
  }

  async #putOwn(put: ManifestPutRequest, bytes: Uint8Array, damaged: Incarnation | undefined): Promise<void> {
    const inc = this.#ports.newIncarnation();
    const written = await this.#ports.driver.write(dataKey(inc), bytes);
    try {
      if ((await this.#submit(put, { kind: 'own', inc, damaged }, written)) === inc) return;
    } catch (error) {
      // After a refusal no event names these bytes. After any other error one may, so they are kept.
      if (error instanceof RegistryError && REFUSALS.has(error.kind)) this.#drop(inc, written);
      throw error;
    }
    this.#drop(inc, written);
  }

  #drop(inc: Incarnation, written: WrittenObject): void {
    this.#ports.runInBackground('deleting the bytes of a manifest that was not linked', async () => {
      await written.settle();
      await this.#ports.driver.delete([dataKey(inc)]);
    });
  }

  /** The digests that the repository does not link. Looked up concurrently, because with Redis each lookup is a round trip. */
  async #missing(repo: RepositoryName, digests: readonly Digest[]): Promise<Digest[]> {
    const { projection } = this.#ports;
    const missing: Digest[] = [];
    for (let start = 0; start < digests.length; start += LOOKUP_BATCH) {
      const batch = digests.slice(start, start + LOOKUP_BATCH);
      const answers = await Promise.all(batch.map((digest) => projection.blob(repo, digest)));
      for (const [index, answer] of answers.entries()) {
        const digest = batch[index];
        if (digest !== undefined && (answer.kind === 'unknown' || answer.value === undefined)) missing.push(digest);
      }
    }
    return missing;
  }

  async #isStored(record: ManifestRecord): Promise<boolean> {
    return (await this.#ports.driver.head(dataKey(record.inc)))?.size === record.size;
  }

  #submit(put: ManifestPutRequest, bytes: PutBytes, written?: WrittenObject): Promise<PutOutcome> {
    return this.#ports.projection.submit(put.repo, {
      needs: { blobs: put.facts.requiredBlobs, manifests: [put.digest], tags: put.tags },
      ...(written === undefined ? {} : { written }),
      decide: async (facts) => {
        const refused = await refusedTags(put, facts);
        const decision =
          refused === undefined ? decidePut(put, bytes, facts, this.#renewals(put, facts)) : refuse(refused);
        // The linker's rule applies to these bytes too, because a collection may condemn them while the write waits.
        const isOwn = decision.kind === 'accepted' && bytes.kind === 'own' && decision.result === bytes.inc;
        return isOwn && !(await this.#mayLink(bytes.inc, put.size)) ? refuse(tooLate()) : decision;
      },
    });
  }

  #renewals({ repo, digest, tags }: ManifestPutRequest, facts: RepositoryFacts): Renewals {
    const record = facts.manifest(digest);
    return {
      tags: this.#ports.policy.tracksPushTimes(repo),
      manifest: tags.length === 0 && record !== undefined && this.#needsRenewal(repo, record),
    };
  }

  #mayLink(inc: Incarnation, size: number): Promise<boolean> {
    return mayLink(this.#ports.driver, inc, size, { now: this.#ports.now(), grace: this.#ports.grace });
  }

  /** @throws RegistryError `name-unknown`, `manifest-unknown`, `precondition-failed`; the error that the guard returns */
  async deleteTag(
    repo: RepositoryName,
    tag: Tag,
    condition: TagCondition | undefined,
    actor: Actor,
    guard?: TagGuard,
  ): Promise<void> {
    const decide = (facts: RepositoryFacts): Answer<Decision<void>> => {
      if (!facts.exists) return refuse(nameUnknown(repo));
      const prev = facts.tag(tag);
      if (prev === undefined) return refuse(manifestUnknown(repo, { kind: 'tag', tag }));
      const unmet = condition && unmetCondition(condition, tag, prev);
      if (unmet !== undefined) return refuse(unmet);
      return mapMaybeAsync(guard?.([{ tag, before: prev, after: undefined }]), (denied) =>
        denied === undefined
          ? accept(undefined, { type: 'tag.deleted', tag, prev, actor: actor.label })
          : refuse(denied),
      );
    };
    await this.#ports.projection.submit(repo, { needs: { tags: [tag] }, decide });
  }

  /**
   * Deletes a manifest and, in the same batch, every tag that points to it.
   * @throws RegistryError `name-unknown`, `manifest-unknown`; the error that the guard returns
   */
  async delete(repo: RepositoryName, digest: Digest, actor: Actor, guard?: TagGuard): Promise<void> {
    const decide = (facts: RepositoryFacts): Answer<Decision<void>> => {
      if (!facts.exists) return refuse(nameUnknown(repo));
      const record = facts.manifest(digest);
      if (record === undefined) return refuse(manifestUnknown(repo, { kind: 'digest', digest }));
      const tags = facts.tagsOf(digest);
      const changes = tags.map((tag): TagChange => ({ tag, before: digest, after: undefined }));
      return mapMaybeAsync(guard?.(changes), (denied) => {
        if (denied !== undefined) return refuse(denied);
        return accept(
          undefined,
          ...tags.map((tag): JournalEvent => ({ type: 'tag.deleted', tag, prev: digest, actor: actor.label })),
          { type: 'manifest.deleted', digest, inc: record.inc, actor: actor.label },
        );
      });
    };
    await this.#ports.projection.submit(repo, { needs: { manifests: [digest], tagsOf: [digest] }, decide });
  }
}

export function descriptorOf({ digest, record }: FoundManifest): Descriptor {
  const { mediaType, size, artifactType, annotations } = record;
  return { mediaType, digest, size, artifactType, annotations };
}

/** Verifies the digest and parses the manifest. @throws RegistryError `digest-mismatch`, `manifest-invalid` */
function* readPushed(pushed: PushedManifest): Steps<{ readonly digest: Digest; readonly facts: ManifestFacts }> {
  const { bytes, contentType } = pushed;
  const digest = digestOf(pushed.digest === undefined ? DEFAULT_ALGORITHM : algorithmOf(pushed.digest), bytes);
  if (pushed.digest !== undefined && pushed.digest !== digest) {
    throw new RegistryError('digest-mismatch', `the body has the digest ${digest}, not the one in the address`, {
      digest,
    });
  }
  yield;
  return { digest, facts: yield* manifestSteps(bytes, contentType) };
}

function tooLate(): RegistryError {
  return new RegistryError('unavailable', 'this write waited too long, and its bytes are about to be freed: try again');
}

function requireManifest(
  repo: RepositoryName,
  reference: Reference,
  answer: InRepository<FoundManifest | undefined>,
): FoundManifest {
  const manifest = requireRepository(repo, answer);
  if (manifest === undefined) throw manifestUnknown(repo, reference);
  return manifest;
}

async function requireLater(
  repo: RepositoryName,
  reference: Reference,
  answer: Promise<InRepository<FoundManifest | undefined>>,
): Promise<FoundManifest> {
  return requireManifest(repo, reference, await answer);
}

function manifestUnknown(repo: RepositoryName, reference: Reference): RegistryError {
  return reference.kind === 'tag'
    ? new RegistryError('manifest-unknown', `the repository ${repo} has no tag ${reference.tag}`, {
        tag: reference.tag,
      })
    : new RegistryError('manifest-unknown', `the repository ${repo} has no manifest ${reference.digest}`, {
        digest: reference.digest,
      });
}
