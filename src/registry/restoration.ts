import { z } from 'zod';
import { accept, type Decision, refuse } from '../journal/command.ts';
import type { JournalEvent } from '../journal/events.ts';
import type { RepositoryFacts } from '../journal/state.ts';
import { parseDigest } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import {
  type Incarnation,
  parseIncarnation,
  parseRepositoryName,
  parseTag,
  type RepositoryName,
  type Tag,
} from '../oci/names.ts';
import type { Projection } from '../projection/projection.ts';
import type { StoreReader } from '../storage/driver.ts';
import { linkable } from './condemned.ts';

/*
 * The content an operator wants restored in a repository. It is sent as JSON to the server that owns the store, so it is validated
 * like any input. The operator's command finds it in the log, whose slots are never deleted.
 */

function named<T extends string>(parse: (text: string) => T | undefined): z.ZodType<T> {
  return z.custom<T>((value) => typeof value === 'string' && parse(value) !== undefined);
}

const digest = named(parseDigest);
const tag = named(parseTag);
const inc = named(parseIncarnation);
const size = z.int().nonnegative();
const bytes = {
  /** Incarnations that may still be stored, in order of preference. The first one that may be linked is used. */
  incs: z.array(inc).min(1),
  /** The damaged incarnation to replace; if absent, only content that is not linked is restored. */
  instead: inc.optional(),
};

export const restorationSchema = z.object({
  blobs: z.array(z.object({ digest, size, ...bytes, from: named(parseRepositoryName).optional() })),
  manifests: z.array(
    z.object({
      digest,
      size,
      mediaType: z.string(),
      artifactType: z.string().optional(),
      subject: digest.optional(),
      annotations: z.record(z.string(), z.string()).optional(),
      refs: z.array(digest),
      ...bytes,
    }),
  ),
  /** `seen`: the digest the tag had when the operator looked; absent if the tag did not exist. */
  tags: z.array(z.object({ tag, digest, seen: digest.optional() })),
});

export type Restoration = z.infer<typeof restorationSchema>;
export type WantedBlob = Restoration['blobs'][number];
export type WantedManifest = Restoration['manifests'][number];

export const restoredSchema = z.object({
  /** The blobs that were linked again. */
  blobs: z.array(digest),
  manifests: z.array(digest),
  /** The tags that were set, with their previous digests. */
  tags: z.array(z.object({ tag, digest, was: digest.optional() })),
});

/** The changes a restoration made; empty if everything already existed. */
export type Restored = z.infer<typeof restoredSchema>;

/**
 * Restores all of it in one batch or nothing, so no reader sees a tag without its manifest.
 * @param actor recorded in the events
 * @throws RegistryError `manifest-unknown` if bytes were freed, `request-invalid` if a tag has changed since the operator looked
 */
export function restore(
  repo: RepositoryName,
  wanted: Restoration,
  actor: string,
  { projection, driver }: { readonly projection: Pick<Projection, 'submit'>; readonly driver: StoreReader },
): Promise<Restored> {
  return projection.submit(repo, {
    needs: {
      blobs: wanted.blobs.map((each) => each.digest),
      manifests: wanted.manifests.map((each) => each.digest),
      tags: wanted.tags.map((each) => each.tag),
    },
    decide: async (facts) => {
      const { blobs, manifests } = absentOf(wanted, facts);
      const candidates = [...blobs, ...manifests].flatMap(({ incs, size }) =>
        incs.map((each) => ({ inc: each, size })),
      );
      return decideRestoration(wanted, facts, await linkable(driver, candidates), actor);
    },
  });
}

/** The wanted blobs and manifests that the repository does not have. */
function absentOf({ blobs, manifests }: Restoration, facts: RepositoryFacts): Pick<Restoration, 'blobs' | 'manifests'> {
  return {
    blobs: blobs.filter((each) => isAbsent(facts.blob(each.digest), each)),
    manifests: manifests.filter((each) => isAbsent(facts.manifest(each.digest), each)),
  };
}

/** Damaged content that has been deleted or replaced since the operator looked is left alone. */
function isAbsent(link: { readonly inc: Incarnation } | undefined, { instead }: WantedBlob | WantedManifest): boolean {
  return instead === undefined ? link === undefined : link?.inc === instead;
}

/** @param usable the candidate incarnations that may be linked by the linker's rule */
export function decideRestoration(
  wanted: Restoration,
  facts: RepositoryFacts,
  usable: ReadonlySet<Incarnation>,
  actor: string,
): Decision<Restored> {
  const { blobs, manifests } = absentOf(wanted, facts);
  const links: JournalEvent[] = [];
  const gone: string[] = [];
  for (const { incs, instead: _, ...blob } of blobs) {
    const found = incs.find((each) => usable.has(each));
    if (found === undefined) gone.push(`blob ${blob.digest}`);
    else links.push({ type: 'blob.linked', ...blob, inc: found, actor });
  }
  for (const { incs, instead: _, ...manifest } of manifests) {
    const now = facts.manifest(manifest.digest);
    if (now !== undefined && now.mediaType !== manifest.mediaType) return refuse(pushedAsOther(manifest.digest));
    const found = incs.find((each) => usable.has(each));
    if (found === undefined) gone.push(`manifest ${manifest.digest}`);
    else links.push({ type: 'manifest.put', ...manifest, inc: found, actor });
  }
  if (gone.length > 0) return refuse(bytesGone(gone));
  const tags: Restored['tags'] = [];
  for (const { tag: name, digest: to, seen } of wanted.tags) {
    const now = facts.tag(name);
    if (now === to) continue;
    if (now !== seen) return refuse(changedSince(name));
    tags.push({ tag: name, digest: to, ...(now === undefined ? {} : { was: now }) });
  }
  const restored = {
    blobs: blobs.map((each) => each.digest),
    manifests: manifests.map((each) => each.digest),
    tags,
  };
  const sets = tags.map(
    ({ was, ...set }): JournalEvent => ({
      type: 'tag.set',
      ...set,
      ...(was === undefined ? {} : { prev: was }),
      actor,
    }),
  );
  return accept(restored, ...links, ...sets);
}

const MAX_NAMED = 3;

function bytesGone(what: readonly string[]): RegistryError {
  const more = what.length > MAX_NAMED ? `, and ${what.length - MAX_NAMED} more` : '';
  const message = `its bytes were freed, or are being freed now: ${what.slice(0, MAX_NAMED).join(', ')}${more}; push it again`;
  return new RegistryError('manifest-unknown', message);
}

/** The first push of a manifest fixes its media type, which a repair must not change either. */
function pushedAsOther(manifest: string): RegistryError {
  return new RegistryError(
    'request-invalid',
    `the repository now has the manifest ${manifest} with another media type: look again`,
  );
}

function changedSince(tag: Tag): RegistryError {
  return new RegistryError('request-invalid', `the tag ${tag} was changed just now: look at its history and try again`);
}
