import { hierarchy, treemap, treemapSquarify } from 'd3-hierarchy';
import type { RepositoryName } from '../../oci/names.ts';
import type { MappedPart, MappedRepository, Rest, StorageMap } from './storage-map.ts';

/*
 * The picture of the storage: a rectangle for each repository, as large as its bytes, with a rectangle for each of its parts. All
 * functions are pure. The server and the browser use the same.
 */

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** `own`: no other repository has it; `shared`: another one has it, too; `unknown`: that is not known, or differs. */
export type Sharing = 'own' | 'shared' | 'unknown';

export interface PartBox extends Box {
  /** Undefined for parts that are not listed. */
  readonly digest: string | undefined;
  readonly bytes: number;
  /** How many parts it stands for. */
  readonly count: number;
  readonly sharing: Sharing;
  /** How many other repositories have it. */
  readonly sharedWith: number | undefined;
}

export interface RepositoryBox extends Box {
  /** Undefined for repositories that are not listed. */
  readonly name: RepositoryName | undefined;
  readonly bytes: number;
  readonly shared: number | undefined;
  /** How many repositories it stands for. */
  readonly count: number;
  readonly parts: readonly PartBox[];
}

/** Close to squares: their areas are easy to compare. */
const TILE = treemapSquarify.ratio(1.2);

type Part = Omit<PartBox, keyof Box>;
type Repository = Omit<RepositoryBox, keyof Box | 'parts'> & { readonly parts: readonly Part[] };

/** The repositories in a rectangle, and in each its parts. What has no bytes has no box. */
export function layOut(map: StorageMap, width: number, height: number): readonly RepositoryBox[] {
  return tiles(repositoriesOf(map), width, height).map(([box, { parts, ...about }]) => ({
    ...about,
    ...box,
    parts: tiles(parts, box.width, box.height).map(([inner, part]) => ({
      ...part,
      ...{ x: box.x + inner.x, y: box.y + inner.y, width: inner.width, height: inner.height },
    })),
  }));
}

/** The parts of one repository in a rectangle. */
export function layOutParts(repository: MappedRepository, width: number, height: number): readonly PartBox[] {
  return tiles(partsOf(repository), width, height).map(([box, part]) => ({ ...part, ...box }));
}

function tiles<T extends { readonly bytes: number }>(
  items: readonly T[],
  width: number,
  height: number,
): (readonly [Box, T])[] {
  type Node = { readonly children: readonly T[] } | T;
  const some = items.filter(({ bytes }) => bytes > 0).sort((one, other) => other.bytes - one.bytes);
  const root = hierarchy<Node>({ children: some }, (node) => ('children' in node ? node.children : [])).sum((node) =>
    'bytes' in node ? node.bytes : 0,
  );
  const laid = treemap<Node>().tile(TILE).size([width, height])(root);
  return (laid.children ?? []).flatMap(({ data, x0, y0, x1, y1 }) =>
    'bytes' in data ? [[{ x: x0, y: y0, width: x1 - x0, height: y1 - y0 }, data]] : [],
  );
}

function repositoriesOf({ repositories, rest }: StorageMap): Repository[] {
  const listed = repositories.map((each): Repository => {
    const { name, bytes, shared } = each;
    return { name, bytes, shared, count: 1, parts: partsOf(each) };
  });
  const { count, bytes } = rest;
  const others: Repository = {
    ...{ name: undefined, bytes, shared: undefined, count },
    parts: [unlisted(count, bytes, 'unknown')],
  };
  return [...listed, others];
}

function partsOf({ parts, rest, shared }: MappedRepository): Part[] {
  const listed = parts.map(partOf);
  return [...listed, ...restOf(listed, rest, shared)];
}

function partOf([digest, bytes, sharedWith]: MappedPart): Part {
  return { digest, bytes, count: 1, sharing: sharingOf(sharedWith), sharedWith: sharedWith ?? undefined };
}

function sharingOf(sharedWith: number | null): Sharing {
  if (sharedWith === null) return 'unknown';
  return sharedWith > 0 ? 'shared' : 'own';
}

/** How much of what is not listed is shared follows from the sum for the repository, if everything listed is known. */
function restOf(listed: readonly Part[], { count, bytes }: Rest, shared: number | undefined): Part[] {
  if (bytes <= 0) return [];
  if (shared === undefined || listed.some(({ sharing }) => sharing === 'unknown')) {
    return [unlisted(count, bytes, 'unknown')];
  }
  const listedShared = listed.reduce((sum, part) => sum + (part.sharing === 'shared' ? part.bytes : 0), 0);
  const restShared = Math.min(bytes, Math.max(0, shared - listedShared));
  return [unlisted(count, bytes - restShared, 'own'), unlisted(count, restShared, 'shared')];
}

function unlisted(count: number, bytes: number, sharing: Sharing): Part {
  return { digest: undefined, bytes, count, sharing, sharedWith: undefined };
}
