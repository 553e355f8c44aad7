import { markedRepositories } from '../../src/collection/scan.ts';
import { foldLog } from '../../src/journal/log.ts';
import type { Incarnation } from '../../src/oci/names.ts';
import type { StoreReader } from '../../src/storage/driver.ts';
import { DATA } from '../../src/storage/paths.ts';

export interface Stored {
  /** Bytes of all objects. */
  readonly all: number;
  /** Of those that a manifest is in, or refers to. */
  readonly live: number;
  /** Of those, each digest once: who pushes the same bytes to two repositories at the same moment stores them twice. */
  readonly content: number;
}

/** What the logs and the listing of a store say of its size. */
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
