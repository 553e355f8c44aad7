import type { Actor } from '../access/access.ts';
import { RENEWAL } from '../access/identity.ts';
import { accept, type Decision, refuse } from '../journal/command.ts';
import type { JournalEvent } from '../journal/events.ts';
import type { ManifestRecord, RepositoryFacts } from '../journal/state.ts';
import { RegistryError } from '../oci/errors.ts';
import type { ManifestFacts } from '../oci/manifest.ts';
import type { Digest, Incarnation, RepositoryName, Tag } from '../oci/names.ts';
import type { Answer } from '../projection/projection.ts';
import type { TagCondition, TagGuard } from './interface.ts';
import { unmetCondition } from './tag-condition.ts';

/** The incarnation that holds the manifest after the put; undefined if nothing was done because its bytes must be written first. */
export type PutOutcome = Incarnation | undefined;

/** The bytes a put can use: those written for this request, or those that were already linked when it arrived. */
export type PutBytes =
  /** `damaged`: the linked incarnation that cannot be read, which these bytes replace. */
  | { readonly kind: 'own'; readonly inc: Incarnation; readonly damaged: Incarnation | undefined }
  | { readonly kind: 'linked'; readonly inc: Incarnation };

/** A parsed push. */
export interface ManifestPutRequest {
  readonly repo: RepositoryName;
  readonly digest: Digest;
  readonly size: number;
  readonly facts: ManifestFacts;
  readonly tags: readonly Tag[];
  readonly condition: TagCondition | undefined;
  readonly actor: Actor;
  readonly guard: TagGuard | undefined;
}

/** Which events to write although they change only the time of the last push. */
export interface Renewals {
  readonly tags: boolean;
  readonly manifest: boolean;
}

/** Why the put may not set its tags; undefined if it may. What the client expects is checked before the rules of the operator. */
export function refusedTags(
  { tags, digest, condition, guard }: ManifestPutRequest,
  facts: Pick<RepositoryFacts, 'tag'>,
): Answer<RegistryError | undefined> {
  for (const tag of condition === undefined ? [] : tags) {
    const unmet = condition && unmetCondition(condition, tag, facts.tag(tag));
    if (unmet !== undefined) return unmet;
  }
  return guard?.(tags.map((tag) => ({ tag, before: facts.tag(tag), after: digest })));
}

export function decidePut(
  put: ManifestPutRequest,
  bytes: PutBytes,
  facts: RepositoryFacts,
  renewals: Renewals,
): Decision<PutOutcome> {
  const { digest, size, actor } = put;
  const existing = facts.manifest(digest);
  // The manifest was deleted, or linked to other bytes, after the caller looked it up.
  if (bytes.kind === 'linked' && existing?.inc !== bytes.inc) return accept(undefined);
  if (existing !== undefined && existing.mediaType !== put.facts.mediaType) return refuse(typeFixed(put, existing));
  const usable = bytes.kind === 'own' && existing?.inc === bytes.damaged ? undefined : existing;
  const inc = usable?.inc ?? bytes.inc;
  // "it MUST result in one or more `MANIFEST_BLOB_UNKNOWN` errors" when a descriptor's blob does not exist.
  const missing = put.facts.requiredBlobs.filter((blob) => facts.blob(blob) === undefined);
  if (missing.length > 0) return refuse(referencesUnknown(missing));
  const events: JournalEvent[] = [];
  if (usable === undefined || renewals.manifest) {
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
    if (prev === digest && !renewals.tags) continue;
    events.push({ type: 'tag.set', tag, digest, ...(prev === undefined ? {} : { prev }), actor: actor.label });
  }
  return accept(inc, ...events);
}

/**
 * The first push of a manifest fixes its media type. Otherwise a later push could turn an image into a type without references:
 * tags that point to it, immutable ones too, would serve something else, and its layers would be garbage collected.
 */
function typeFixed({ repo, digest, facts }: ManifestPutRequest, { mediaType }: ManifestRecord): RegistryError {
  return new RegistryError(
    'manifest-invalid',
    `${repo} has the manifest ${digest} with the media type ${mediaType}, not ${facts.mediaType}: delete it before pushing it with another type`,
    { digest, mediaType },
  );
}

export function referencesUnknown(missing: readonly Digest[]): RegistryError {
  return new RegistryError(
    'manifest-references-unknown',
    `the manifest refers to ${missing.length} blob(s) that this repository does not have: push or mount them first`,
    { digests: missing.slice(0, 100) },
  );
}

/** Puts an existing manifest again with the same bytes, which renews its push time. */
export function putAgain(digest: Digest, { at: _, refs, ...record }: ManifestRecord): JournalEvent {
  const { annotations, ...rest } = record;
  return {
    type: 'manifest.put',
    digest,
    ...rest,
    ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
    refs: [...refs],
    actor: RENEWAL,
  };
}
