import type { Actor } from '../access/access.ts';
import { accept, type Decision, refuse } from '../journal/command.ts';
import type { JournalEvent } from '../journal/events.ts';
import type { ManifestRecord, RepositoryFacts } from '../journal/state.ts';
import { algorithmOf, DEFAULT_ALGORITHM, digestOf } from '../oci/digest.ts';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import { type ManifestFacts, parseManifest } from '../oci/manifest.ts';
import type { Digest, Incarnation, RepositoryName, Tag } from '../oci/names.ts';
import type { Answer, FoundManifest } from '../projection/projection.ts';
import { dataKey } from '../storage/paths.ts';
import { whenThere } from './answer.ts';
import { mayLink } from './condemned.ts';
import { requireDeletes } from './deletion.ts';
import { known, nameUnknown } from './existence.ts';
import { deletesImmutable, refuseMoving } from './immutability.ts';
import type { RegistryPorts } from './ports.ts';

/** How a client names a manifest. */
export type Reference =
  | { readonly kind: 'tag'; readonly tag: Tag }
  | { readonly kind: 'digest'; readonly digest: Digest };

export interface PushedManifest {
  readonly repo: RepositoryName;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Without parameters. */
  readonly contentType: string | undefined;
  /** What the client says the digest is. */
  readonly digest: Digest | undefined;
  /** Tags to set, each once. */
  readonly tags: readonly Tag[];
}

export interface PutResult {
  readonly digest: Digest;
  readonly subject: Digest | undefined;
}

/** The incarnation that holds the manifest now; undefined when nothing was done because its bytes must be written first. */
type PutOutcome = Incarnation | undefined;

/** The bytes a put can rest on: those written for this request, or those that were linked already when it came. */
type PutBytes =
  | { readonly kind: 'own'; readonly inc: Incarnation; readonly damaged: Incarnation | undefined }
  | { readonly kind: 'linked'; readonly inc: Incarnation };

/** What a put is decided against with: then nothing of it was written to the log. */
const REFUSALS: ReadonlySet<ErrorKind> = new Set(['manifest-references-unknown', 'denied']);

/** Blobs that a manifest refers to are looked for in groups of so many. */
const ASKED_TOGETHER = 256;

export type ManifestsPorts = Omit<RegistryPorts, 'sessions' | 'access'>;

export class Manifests {
  readonly #ports: ManifestsPorts;

  constructor(ports: ManifestsPorts) {
    this.#ports = ports;
  }

  /** @throws RegistryError `name-unknown`, `manifest-unknown`, at once where the answer is at hand */
  stat(repo: RepositoryName, reference: Reference): Answer<FoundManifest> {
    const { projection } = this.#ports;
    const answer =
      reference.kind === 'tag'
        ? projection.manifestByTag(repo, reference.tag)
        : projection.manifestByDigest(repo, reference.digest);
    return whenThere(answer, (found) => {
      const manifest = known(repo, found);
      if (manifest === undefined) throw manifestUnknown(repo, reference);
      return manifest;
    });
  }

  /**
   * The manifest's bytes, exactly as they were pushed.
   * @throws RegistryError `content-damaged` when storage gave other bytes than were pushed
   */
  bytes(manifest: FoundManifest): Answer<Uint8Array<ArrayBuffer>> {
    return this.#ports.cache.get(manifest.digest) ?? this.#read(manifest);
  }

  async #read({ digest, record }: FoundManifest): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.#ports.driver.read(dataKey(record.inc));
    if (bytes === undefined || digestOf(algorithmOf(digest), bytes) !== digest) {
      throw new RegistryError(
        'content-damaged',
        `the stored bytes of ${digest} are damaged: push it again, and run fsck`,
        {
          digest,
        },
      );
    }
    const own = new Uint8Array(bytes);
    this.#ports.cache.set(digest, own);
    return own;
  }

  /**
   * Stores a manifest and sets its tags, all in one batch: no tag is ever seen without its manifest.
   * @throws RegistryError `digest-mismatch`, `manifest-invalid`, `manifest-references-unknown`; `denied` when one of the tags is
   * immutable and points to something else
   */
  async put(pushed: PushedManifest, actor: Actor): Promise<PutResult> {
    const { repo, bytes } = pushed;
    const digest = digestOf(pushed.digest === undefined ? DEFAULT_ALGORITHM : algorithmOf(pushed.digest), bytes);
    if (pushed.digest !== undefined && pushed.digest !== digest) {
      throw new RegistryError('digest-mismatch', `the body has the digest ${digest}, not the one in the address`, {
        digest,
      });
    }
    const facts = parseManifest(bytes, pushed.contentType);
    const answer = await this.#ports.projection.manifestByDigest(repo, digest);
    const existing = answer.kind === 'known' ? answer.value?.record : undefined;
    // Refused before a byte is written; the decision asks again, on the state that it is made on.
    const missing = answer.kind === 'known' ? await this.#missing(repo, facts.requiredBlobs) : facts.requiredBlobs;
    if (missing.length > 0) throw referencesUnknown(missing);
    const put = { repo, digest, size: bytes.length, facts, tags: pushed.tags, actor };
    const linked = existing !== undefined && (await this.#isStored(existing)) ? existing.inc : undefined;
    if (linked === undefined || (await this.#submit(put, { kind: 'linked', inc: linked })) === undefined) {
      await this.#putOwn(put, bytes, existing?.inc);
    }
    this.#ports.cache.set(digest, bytes);
    return { digest, subject: facts.subject };
  }

  async #putOwn(put: ManifestPutRequest, bytes: Uint8Array, damaged: Incarnation | undefined): Promise<void> {
    const inc = this.#ports.newIncarnation();
    const { durable } = await this.#ports.driver.write(dataKey(inc), bytes);
    try {
      if ((await this.#submit(put, { kind: 'own', inc, damaged }, durable)) === inc) return;
    } catch (error) {
      // Refused: no event names these bytes. After any other error one may.
      if (error instanceof RegistryError && REFUSALS.has(error.kind)) this.#drop(inc, durable);
      throw error;
    }
    this.#drop(inc, durable);
  }

  #drop(inc: Incarnation, written: Promise<void>): void {
    this.#ports.later('dropping the bytes of a manifest that nothing refers to', async () => {
      await written;
      await this.#ports.driver.delete([dataKey(inc)]);
    });
  }

  /** Asked together: where each answer is a round trip, a manifest's layers cost one. */
  async #missing(repo: RepositoryName, digests: readonly Digest[]): Promise<Digest[]> {
    const { projection } = this.#ports;
    const missing: Digest[] = [];
    for (let start = 0; start < digests.length; start += ASKED_TOGETHER) {
      const asked = digests.slice(start, start + ASKED_TOGETHER);
      const answers = await Promise.all(asked.map((digest) => projection.blob(repo, digest)));
      for (const [index, answer] of answers.entries()) {
        const digest = asked[index];
        if (digest !== undefined && (answer.kind === 'unknown' || answer.value === undefined)) missing.push(digest);
      }
    }
    return missing;
  }

  async #isStored(record: ManifestRecord): Promise<boolean> {
    return (await this.#ports.driver.head(dataKey(record.inc)))?.size === record.size;
  }

  #submit(put: ManifestPutRequest, bytes: PutBytes, durable?: Promise<void>): Promise<PutOutcome> {
    return this.#ports.projection.submit(put.repo, {
      needs: { blobs: put.facts.requiredBlobs, manifests: [put.digest], tags: put.tags },
      ...(durable === undefined ? {} : { durable }),
      decide: async (facts) => {
        const countsPushes = this.#ports.policy.countsPushes(put.repo);
        const denied = refuseMoving(put.repo, put.tags, put.digest, facts, this.#ports.policy);
        const decision = denied === undefined ? decidePut(put, bytes, facts, countsPushes) : refuse(denied);
        // The linker's rule holds for these bytes too: a write that waits for long may be overtaken by a collection.
        const isOwn = decision.kind === 'accepted' && bytes.kind === 'own' && decision.result === bytes.inc;
        return isOwn && !(await this.#mayLink(bytes.inc, put.size)) ? refuse(tooLate()) : decision;
      },
    });
  }

  #mayLink(inc: Incarnation, size: number): Promise<boolean> {
    return mayLink(this.#ports.driver, inc, size, { now: this.#ports.now(), grace: this.#ports.grace });
  }

  /** @throws RegistryError `delete-disabled`, `name-unknown`, `manifest-unknown`, `denied` */
  async deleteTag(repo: RepositoryName, tag: Tag, actor: Actor): Promise<void> {
    requireDeletes(this.#ports);
    const decide = (facts: RepositoryFacts): Decision<void> => {
      if (!facts.exists) return refuse(nameUnknown(repo));
      const prev = facts.tag(tag);
      if (prev === undefined) return refuse(manifestUnknown(repo, { kind: 'tag', tag }));
      if (this.#ports.policy.isImmutable(repo, tag)) return refuse(deletesImmutable(repo, [tag]));
      return accept(undefined, { type: 'tag.deleted', tag, prev, actor: actor.label });
    };
    await this.#ports.projection.submit(repo, { needs: { tags: [tag] }, decide });
  }

  /**
   * Deletes a manifest and, in the same batch, every tag that points to it.
   * @throws RegistryError `delete-disabled`, `name-unknown`, `manifest-unknown`; `denied` when one of the tags is immutable
   */
  async delete(repo: RepositoryName, digest: Digest, actor: Actor): Promise<void> {
    requireDeletes(this.#ports);
    const decide = (facts: RepositoryFacts): Decision<void> => {
      if (!facts.exists) return refuse(nameUnknown(repo));
      const record = facts.manifest(digest);
      if (record === undefined) return refuse(manifestUnknown(repo, { kind: 'digest', digest }));
      const tags = facts.tagsOf(digest);
      const immutable = tags.filter((tag) => this.#ports.policy.isImmutable(repo, tag));
      if (immutable.length > 0) return refuse(deletesImmutable(repo, immutable));
      return accept(
        undefined,
        ...tags.map((tag): JournalEvent => ({ type: 'tag.deleted', tag, prev: digest, actor: actor.label })),
        { type: 'manifest.deleted', digest, inc: record.inc, actor: actor.label },
      );
    };
    await this.#ports.projection.submit(repo, { needs: { manifests: [digest], tagsOf: [digest] }, decide });
  }
}

interface ManifestPutRequest {
  readonly repo: RepositoryName;
  readonly digest: Digest;
  readonly size: number;
  readonly facts: ManifestFacts;
  readonly tags: readonly Tag[];
  readonly actor: Actor;
}

/** @param countsPushes a tag that points there already is set anew, so that the log knows when it was pushed last */
function decidePut(
  put: ManifestPutRequest,
  bytes: PutBytes,
  facts: RepositoryFacts,
  countsPushes: boolean,
): Decision<PutOutcome> {
  const { digest, size, actor } = put;
  const existing = facts.manifest(digest);
  // Deleted, or linked to other bytes, since it was looked at.
  if (bytes.kind === 'linked' && existing?.inc !== bytes.inc) return accept(undefined);
  const usable = bytes.kind === 'own' && existing?.inc === bytes.damaged ? undefined : existing;
  const inc = usable?.inc ?? bytes.inc;
  // "it MUST result in one or more `MANIFEST_BLOB_UNKNOWN` errors" when a descriptor's blob does not exist.
  const missing = put.facts.requiredBlobs.filter((blob) => facts.blob(blob) === undefined);
  if (missing.length > 0) return refuse(referencesUnknown(missing));
  const events: JournalEvent[] = [];
  if (usable === undefined || usable.mediaType !== put.facts.mediaType) {
    const { mediaType, artifactType, subject, annotations, refs } = put.facts;
    events.push({
      type: 'manifest.put',
      digest,
      size,
      inc,
      mediaType,
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(subject === undefined ? {} : { subject }),
      ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
      refs: [...refs],
      actor: actor.label,
    });
  }
  for (const tag of put.tags) {
    const prev = facts.tag(tag);
    if (prev === digest && !countsPushes) continue;
    events.push({ type: 'tag.set', tag, digest, ...(prev === undefined ? {} : { prev }), actor: actor.label });
  }
  return accept(inc, ...events);
}

function referencesUnknown(missing: readonly Digest[]): RegistryError {
  return new RegistryError(
    'manifest-references-unknown',
    `the manifest refers to ${missing.length} blob(s) that this repository does not have: push or mount them first`,
    { digests: missing.slice(0, 100) },
  );
}

function tooLate(): RegistryError {
  return new RegistryError(
    'unavailable',
    'this write waited for too long, and its bytes are about to be freed: try again',
  );
}

function manifestUnknown(repo: RepositoryName, reference: Reference): RegistryError {
  return reference.kind === 'tag'
    ? new RegistryError('manifest-unknown', `${repo} has no tag ${reference.tag}`, { tag: reference.tag })
    : new RegistryError('manifest-unknown', `${repo} has no manifest ${reference.digest}`, {
        digest: reference.digest,
      });
}
