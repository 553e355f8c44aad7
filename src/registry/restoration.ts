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
 * What an operator wants to have back in a repository. It travels as JSON to the server that holds the store, so it is checked as
 * anything that comes from outside; what was there was read from the log, whose slots are never deleted.
 */

function named<T extends string>(parse: (text: string) => T | undefined): z.ZodType<T> {
  return z.custom<T>((value) => typeof value === 'string' && parse(value) !== undefined);
}

const digest = named(parseDigest);
const tag = named(parseTag);
const inc = named(parseIncarnation);
const size = z.int().nonnegative();
const bytes = {
  /** Where its bytes may still be: the first one that can be linked is. */
  incs: z.array(inc).min(1),
  /** The link that is to be replaced, because its bytes are damaged; without it only what is not linked is linked. */
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
  /** `seen`: what the tag pointed to when the operator looked; left out when it was not there. */
  tags: z.array(z.object({ tag, digest, seen: digest.optional() })),
});

export type Restoration = z.infer<typeof restorationSchema>;
export type WantedBlob = Restoration['blobs'][number];
export type WantedManifest = Restoration['manifests'][number];

export const restoredSchema = z.object({
  /** What was linked again. */
  blobs: z.array(digest),
  manifests: z.array(digest),
  /** Tags that were set, and what they pointed to until then. */
  tags: z.array(z.object({ tag, digest, was: digest.optional() })),
});

/** What came of it; nothing, where all was there already. */
export type Restored = z.infer<typeof restoredSchema>;

/**
 * Brings it back, all of it in one batch or nothing: a tag is never seen without its manifest.
 * @param actor for the log
 * @throws RegistryError `manifest-unknown` when bytes were freed, `request-invalid` when a tag was changed meanwhile
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
      const asked = [...blobs, ...manifests].flatMap(({ incs, size }) => incs.map((each) => ({ inc: each, size })));
      return decideRestoration(wanted, facts, await linkable(driver, asked), actor);
    },
  });
}

/** What of it the repository does not have. */
function absentOf({ blobs, manifests }: Restoration, facts: RepositoryFacts): Pick<Restoration, 'blobs' | 'manifests'> {
  return {
    blobs: blobs.filter((each) => isAbsent(facts.blob(each.digest), each)),
    manifests: manifests.filter((each) => isAbsent(facts.manifest(each.digest), each)),
  };
}

/** What was damaged and is gone meanwhile stays gone. */
function isAbsent(link: { readonly inc: Incarnation } | undefined, { instead }: WantedBlob | WantedManifest): boolean {
  return instead === undefined ? link === undefined : link?.inc === instead;
}

/** @param usable what the linker's rule lets be linked, of all that the repository does not have */
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
    if (now !== seen) return refuse(setMeanwhile(name));
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

const TOLD = 3;

function bytesGone(what: readonly string[]): RegistryError {
  const more = what.length > TOLD ? `, and ${what.length - TOLD} more` : '';
  const message = `its bytes were freed, or are being freed now: ${what.slice(0, TOLD).join(', ')}${more}; push it again`;
  return new RegistryError('manifest-unknown', message);
}

/** The first push of some bytes settles what they are, also for those that are to be repaired. */
function pushedAsOther(manifest: string): RegistryError {
  return new RegistryError('request-invalid', `the manifest ${manifest} is here as another media type: look again`);
}

function setMeanwhile(tag: Tag): RegistryError {
  return new RegistryError(
    'request-invalid',
    `the tag ${tag} was changed just now: look at its history, and ask again`,
  );
}
