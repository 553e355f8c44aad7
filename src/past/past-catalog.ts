import type { RepositoryName } from '../oci/names.ts';
import type { Answer, Page } from '../projection/projection.ts';
import type { StoreReader } from '../storage/driver.ts';
import { keysBelow } from '../storage/keys-below.ts';
import { CATALOG, repositoryOfMarker } from '../storage/paths.ts';

/**
 * The first names after `after`, in ASCII order, of all repositories that ever had a log. The store lists markers in another order
 * (with + for /), so all of them are listed, but only `limit` names are kept in memory.
 */
async function firstNames(
  reader: StoreReader,
  after: string | undefined,
  limit: number,
): Promise<Page<RepositoryName>> {
  let names: RepositoryName[] = [];
  let isCut = false;
  const cut = (): void => {
    names.sort();
    isCut ||= names.length > limit;
    names = names.slice(0, limit);
  };
  for await (const key of keysBelow(reader, CATALOG)) {
    const repo = repositoryOfMarker(key);
    if (repo === undefined || (after !== undefined && repo <= after)) continue;
    names.push(repo);
    if (names.length === 2 * limit) cut();
  }
  cut();
  return { items: names, more: isCut };
}

export interface MarkedNamesPorts {
  readonly reader: StoreReader;
  /** A page of the repositories that exist. */
  readonly today: (after: string | undefined, limit: number) => Answer<Page<RepositoryName>>;
  /** Milliseconds. */
  readonly now: () => number;
}

/** A longer list of names is read again each time. */
const MAX_KEPT = 100_000;
/** For how long a list serves moments that are not over, in milliseconds. */
const NEW_MS = 30_000;

/**
 * The names of all repositories that ever had a log. The list is kept: markers are never deleted, so it is complete for every moment that
 * was over when it was read. For a later moment it is used for a while, together with the repositories that exist; a repository that was
 * created and deleted within that while would be missing.
 */
export class MarkedNames {
  readonly #ports: MarkedNamesPorts;
  #kept: { readonly names: readonly RepositoryName[]; readonly readAt: number } | undefined;
  #isTooLong = false;
  #reading: Promise<void> | undefined;

  constructor(ports: MarkedNamesPorts) {
    this.#ports = ports;
  }

  /** The first names after `after`, in ASCII order. @param settled milliseconds, after which the moment is over */
  async page(settled: number, after: string | undefined, limit: number): Promise<Page<RepositoryName>> {
    const { reader, now } = this.#ports;
    const isComplete = (): boolean => this.#kept !== undefined && settled < this.#kept.readAt;
    const isNew = (): boolean => this.#kept !== undefined && Math.abs(now() - this.#kept.readAt) < NEW_MS;
    if (!this.#isTooLong && !isComplete() && !isNew()) await this.#read();
    if (this.#kept === undefined) return await firstNames(reader, after, limit);
    const { names } = this.#kept;
    const start = after === undefined ? 0 : placeAfter(names, after);
    const items = names.slice(start, start + limit);
    const more = names.length > start + limit;
    if (isComplete()) return { items, more };
    const today = await this.#ports.today(after, limit);
    const all = [...new Set([...items, ...today.items])].sort();
    return { items: all.slice(0, limit), more: more || today.more || all.length > limit };
  }

  /** Shared by those who need a list at the same time: each began to wait before it was read to its end, and markers stay. */
  #read(): Promise<void> {
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readAll(): Promise<void> {
    const { reader, now } = this.#ports;
    const readAt = now();
    const { items, more } = await firstNames(reader, undefined, MAX_KEPT);
    this.#isTooLong = more;
    this.#kept = more ? undefined : { names: items, readAt };
  }
}

/** Where the first name after a text is. @param names sorted */
function placeAfter(names: readonly string[], after: string): number {
  let [low, high] = [0, names.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((names[middle] ?? '') > after) high = middle;
    else low = middle + 1;
  }
  return low;
}
