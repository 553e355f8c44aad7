import { parseRepositoryName, type RepositoryName } from '../oci/names.ts';
import type { LayerEntry } from './layers.ts';
import type { ManifestEntry } from './manifests.ts';
import type { ImportSource, SourceEntry } from './source.ts';
import type { TagEntry } from './tags.ts';
import type { Tally } from './tally.ts';

/** Processes the entries of a source, in their order: groups of one repository and one kind. */
export interface Taker {
  layers(repo: RepositoryName, entries: readonly LayerEntry[]): Promise<void>;
  manifests(repo: RepositoryName, entries: readonly ManifestEntry[]): Promise<void>;
  tags(repo: RepositoryName, entries: readonly TagEntry[]): Promise<void>;
}

export interface WalkPorts {
  readonly source: ImportSource;
  /** Whether nothing may be written under a name. */
  readonly isReserved: (name: RepositoryName) => boolean;
  readonly tally: Tally;
  readonly signal: AbortSignal;
}

/** Entries in one group; fewer than the events of one slot. */
const MAX_GROUP = 200;

/** Walks a whole source, group by group. Memory holds one group at a time. */
export async function walkSource(taker: Taker, { source, isReserved, tally, signal }: WalkPorts): Promise<void> {
  let group: SourceEntry[] = [];
  let repository: string | undefined;
  let name: RepositoryName | undefined;
  const take = async (): Promise<void> => {
    const entries = group;
    group = [];
    if (name === undefined) for (const _ of entries) tally.done();
    else await takeAll(taker, name, entries);
  };
  for await (const entry of source.entries()) {
    signal.throwIfAborted();
    const [first] = group;
    if (first !== undefined && (first.repo !== entry.repo || first.kind !== entry.kind || group.length >= MAX_GROUP)) {
      await take();
    }
    if (entry.repo !== repository) {
      repository = entry.repo;
      const parsed = parseRepositoryName(repository);
      name = parsed === undefined || isReserved(parsed) ? undefined : parsed;
      if (name !== undefined) tally.repository(repository);
      else {
        const why = parsed === undefined ? 'not a valid repository name' : 'names like this one stand for the past';
        const message = `${why}: nothing in it was imported`;
        tally.problem({ problem: 'name-invalid', repo: repository, message });
      }
    }
    group.push(entry);
  }
  await take();
}

async function takeAll(taker: Taker, repo: RepositoryName, entries: readonly SourceEntry[]): Promise<void> {
  const [first] = entries;
  switch (first?.kind) {
    case 'layer':
      return await taker.layers(repo, entries.filter(isLayer));
    case 'manifest':
      return await taker.manifests(repo, entries.filter(isManifest));
    case 'tag':
      return await taker.tags(repo, entries.filter(isTag));
    case undefined:
  }
}

function isTag(entry: SourceEntry): entry is TagEntry {
  return entry.kind === 'tag';
}

function isManifest(entry: SourceEntry): entry is ManifestEntry {
  return entry.kind === 'manifest';
}

function isLayer(entry: SourceEntry): entry is LayerEntry {
  return entry.kind === 'layer';
}
