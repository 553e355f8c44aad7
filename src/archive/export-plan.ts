import type { RepositoryState } from '../journal/fold.ts';
import type { ManifestRecord } from '../journal/state.ts';
import { RegistryError } from '../oci/errors.ts';
import { shapeOf } from '../oci/media-types.ts';
import type { Digest, Incarnation, RepositoryName, Tag } from '../oci/names.ts';
import type { Reference } from '../registry/interface.ts';
import type { NamedManifest } from './layout.ts';
import { MAX_ENTRIES } from './tar-files.ts';

/** What an operator wants exported of a repository; without a reference, all its tags. */
export interface Wanted {
  readonly repo: RepositoryName;
  readonly reference: Reference | undefined;
}

/** Bytes that go into an archive. */
export interface ExportedObject {
  readonly repo: RepositoryName;
  readonly digest: Digest;
  readonly size: number;
  readonly inc: Incarnation;
}

export interface ExportPlan {
  /** For index.json. */
  readonly manifests: readonly NamedManifest[];
  /** Each digest once, in the order of the archive. */
  readonly objects: readonly ExportedObject[];
  /** Referenced content that the registry does not have, such as the images of other platforms: `<repository> <digest>`. */
  readonly absent: readonly string[];
}

/** The largest number of objects in an archive: with the headers that their names may need, and with the two files of the layout. */
const MAX_OBJECTS = Math.floor(MAX_ENTRIES / 2) - 4;

/**
 * Decides what an archive holds: each manifest with everything that it refers to and with its referrers, at any depth.
 * @param states of all repositories that are named
 * @throws RegistryError `name-unknown`, `manifest-unknown`, `request-invalid` for more than an archive may hold
 */
export function planExport(
  wanted: readonly Wanted[],
  states: ReadonlyMap<RepositoryName, RepositoryState>,
): ExportPlan {
  const manifests: NamedManifest[] = [];
  const objects = new Map<Digest, ExportedObject>();
  const absent: string[] = [];
  const byRepository = Map.groupBy(wanted, ({ repo }) => repo);
  for (const repo of [...byRepository.keys()].sort()) {
    const state = states.get(repo);
    if (state === undefined || !state.exists) throw new RegistryError('name-unknown', `there is no repository ${repo}`);
    const tags = new Map<Tag, Digest>();
    const begin = new Set<Digest>();
    for (const { reference } of byRepository.get(repo) ?? []) {
      for (const [tag, digest] of selected(repo, reference, state)) {
        if (tag !== undefined) tags.set(tag, digest);
        begin.add(digest);
      }
    }
    const part = closureOf(begin, state);
    for (const object of part.objects) objects.set(object.digest, { repo, ...object });
    for (const digest of part.absent) absent.push(`${repo} ${digest}`);
    if (objects.size > MAX_OBJECTS) {
      const message = `an archive holds at most ${MAX_OBJECTS} manifests and blobs: export fewer tags at once`;
      throw new RegistryError('request-invalid', message);
    }
    manifests.push(...namedManifests(repo, state, tags, part));
  }
  return {
    manifests,
    objects: [...objects.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1)),
    absent,
  };
}

function selected(
  repo: RepositoryName,
  reference: Reference | undefined,
  state: RepositoryState,
): readonly (readonly [Tag | undefined, Digest])[] {
  switch (reference?.kind) {
    case 'tag': {
      const digest = state.tag(reference.tag);
      if (digest !== undefined) return [[reference.tag, digest]];
      throw new RegistryError('manifest-unknown', `${repo} has no tag ${reference.tag}`);
    }
    case 'digest':
      if (state.manifest(reference.digest) !== undefined) return [[undefined, reference.digest]];
      throw new RegistryError('manifest-unknown', `${repo} has no manifest ${reference.digest}`);
    case undefined:
      if (state.tags.size > 0) return [...state.tags];
      throw new RegistryError('manifest-unknown', `${repo} has no tags: name a digest`);
  }
}

type Stored = Omit<ExportedObject, 'repo'>;

interface Closure {
  readonly objects: readonly Stored[];
  readonly manifests: ReadonlySet<Digest>;
  readonly absent: readonly Digest[];
}

/** Everything that is reached from some manifests over references, and from subjects to referrers. */
function closureOf(begin: ReadonlySet<Digest>, state: RepositoryState): Closure {
  const objects: Stored[] = [];
  const manifests = new Set<Digest>();
  const absent: Digest[] = [];
  const seen = new Set<Digest>(begin);
  const rest = [...begin];
  const reach = (digest: Digest): void => {
    if (seen.has(digest)) return;
    seen.add(digest);
    rest.push(digest);
  };
  for (let digest = rest.pop(); digest !== undefined; digest = rest.pop()) {
    const record = state.manifest(digest);
    const stored = record ?? state.blob(digest);
    if (stored === undefined) absent.push(digest);
    else objects.push({ digest, size: stored.size, inc: stored.inc });
    if (record === undefined) continue;
    manifests.add(digest);
    for (const ref of record.refs) reach(ref);
    // The subject need not exist.
    if (record.subject !== undefined && state.manifest(record.subject) !== undefined) reach(record.subject);
    for (const referrer of state.referrers.get(digest) ?? []) reach(referrer);
  }
  return { objects, manifests, absent };
}

/** All that a reader would not find below another manifest of index.json. */
function namedManifests(
  repo: RepositoryName,
  state: RepositoryState,
  tags: ReadonlyMap<Tag, Digest>,
  { manifests }: Closure,
): NamedManifest[] {
  const found = new Set<Digest>();
  const find = (from: Digest): void => {
    const rest = [from];
    for (let digest = rest.pop(); digest !== undefined; digest = rest.pop()) {
      if (found.has(digest)) continue;
      found.add(digest);
      // Only of known types a reader can tell a manifest from a blob.
      const children = (state.manifest(digest)?.refs ?? []).filter((ref) => isKnown(state.manifest(ref)));
      rest.push(...children);
    }
  };
  for (const digest of tags.values()) find(digest);
  const parts = new Set([...manifests].flatMap((digest) => state.manifest(digest)?.refs ?? []));
  const others: Digest[] = [];
  // Those that nothing refers to first, because what they refer to is found with them.
  for (const digest of [...manifests].sort((a, b) => Number(parts.has(a)) - Number(parts.has(b)) || (a < b ? -1 : 1))) {
    if (found.has(digest)) continue;
    others.push(digest);
    find(digest);
  }
  const named = (digest: Digest, tag: Tag | undefined): NamedManifest[] => {
    const record = state.manifest(digest);
    if (record === undefined) return [];
    const { mediaType, artifactType, size } = record;
    return [{ mediaType, artifactType, digest, size, repository: repo, tag }];
  };
  return [
    ...[...tags].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([tag, digest]) => named(digest, tag)),
    ...others.flatMap((digest) => named(digest, undefined)),
  ];
}

function isKnown(manifest: ManifestRecord | undefined): boolean {
  return manifest !== undefined && shapeOf(manifest.mediaType) !== 'other';
}
