import { parseRepositoryName, type RepositoryName } from '../oci/names.ts';
import type { Key } from '../storage/driver.ts';
import type { ForeignStore } from '../storage/foreign.ts';
import type { LayerEntry } from './layers.ts';
import type { TagEntry } from './tags.ts';
import type { Tally } from './tally.ts';
import { entriesOf, type TreeEntry } from './tree.ts';

/** Processes the links of a tree, in the order of their listing: groups of one repository and one kind. */
export interface Taker {
  layers(repo: RepositoryName, entries: readonly LayerEntry[]): Promise<void>;
  manifests(repo: RepositoryName, entries: readonly LayerEntry[]): Promise<void>;
  tags(repo: RepositoryName, entries: readonly TagEntry[]): Promise<void>;
}

export interface WalkPorts {
  readonly source: ForeignStore;
  readonly root: Key;
  readonly tally: Tally;
  readonly signal: AbortSignal;
}

/** Links in one group; fewer than the events of one slot. */
const MAX_GROUP = 200;

/** Walks a whole tree, group by group. Memory holds one group at a time. */
export async function walkTree(taker: Taker, { source, root, tally, signal }: WalkPorts): Promise<void> {
  let group: TreeEntry[] = [];
  let repository: string | undefined;
  let name: RepositoryName | undefined;
  const take = async (): Promise<void> => {
    const entries = group;
    group = [];
    if (name === undefined) for (const _ of entries) tally.done();
    else await takeAll(taker, name, entries);
  };
  for await (const entry of entriesOf(source, root)) {
    signal.throwIfAborted();
    const [first] = group;
    if (first !== undefined && (first.repo !== entry.repo || first.kind !== entry.kind || group.length >= MAX_GROUP)) {
      await take();
    }
    if (entry.repo !== repository) {
      repository = entry.repo;
      name = parseRepositoryName(repository);
      if (name !== undefined) tally.repository(repository);
      else {
        const message = 'not a valid repository name: nothing in it was imported';
        tally.problem({ problem: 'name-invalid', repo: repository, message });
      }
    }
    group.push(entry);
  }
  await take();
}

async function takeAll(taker: Taker, repo: RepositoryName, entries: readonly TreeEntry[]): Promise<void> {
  const [first] = entries;
  switch (first?.kind) {
    case 'layer':
      return await taker.layers(repo, entries.filter(isBlob));
    case 'manifest':
      return await taker.manifests(repo, entries.filter(isBlob));
    case 'tag':
      return await taker.tags(repo, entries.filter(isTag));
    case undefined:
  }
}

function isTag(entry: TreeEntry): entry is TagEntry {
  return entry.kind === 'tag';
}

function isBlob(entry: TreeEntry): entry is LayerEntry {
  return entry.kind !== 'tag';
}
