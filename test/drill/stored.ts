import { markedRepositories } from '../../src/collection/scan.ts';
import { foldLog } from '../../src/journal/log.ts';
import type { Incarnation } from '../../src/oci/names.ts';
import type { StoreReader } from '../../src/storage/driver.ts';
import { DATA } from '../../src/storage/paths.ts';

export interface Stored {
  /** The bytes of all objects. */
  readonly all: number;
  /** Bytes of manifests, and of blobs that a manifest refers to. */
  readonly live: number;
  /** Live bytes with each digest once: concurrent pushes of the same bytes to two repositories store them twice. */
  readonly content: number;
}

/** The size of a store according to its logs and its listing. */
export async function storedBytes(driver: StoreReader): Promise<Stored> {
  const live = new Map<Incarnation, number>();
  const content = new Map<string, number>();
  for await (const repo of markedRepositories(driver)) {
    const { state } = await foldLog(driver, repo);
    for (const [digest, { inc, size }] of [...state.manifests, ...state.blobs]) {
      if (!state.manifests.has(digest) && state.references(digest) === 0) continue;
      live.set(inc, size);
      content.set(digest, size);
    }
  }
  let all = 0;
  for await (const { size } of driver.list(DATA)) all += size;
  return { all, live: sum(live.values()), content: sum(content.values()) };
}

function sum(sizes: Iterable<number>): number {
  return [...sizes].reduce((total, size) => total + size, 0);
}
