import { paced } from '../collection/pace.ts';
import { markedRepositories } from '../collection/scan.ts';
import { foldLog } from '../journal/log.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import type { NamedBytes } from './copy-bytes.ts';

export interface LinkPorts {
  readonly driver: StoreReader;
  /** Lets requests run first. Awaited between small pieces of work. */
  readonly yieldToRequests: () => Promise<void>;
}

/** What one log of this store links. @throws RegistryError `log-broken`, because then its links are unknown */
export async function linksOf(repo: RepositoryName, ports: LinkPorts): Promise<NamedBytes[]> {
  const reader = paced(ports.driver, ports.yieldToRequests);
  const { blobs, manifests } = (await foldLog(reader, repo)).state;
  const links: NamedBytes[] = [];
  for (const [digest, { inc, size }] of blobs) links.push({ inc, digest, size });
  for (const [digest, { inc, size }] of manifests) links.push({ inc, digest, size });
  return links;
}

/**
 * The first link that is found to an object of the list. One log at a time is in memory.
 * @returns undefined if no log links any of them
 * @throws as `linksOf`
 */
export async function findLink(
  listed: ReadonlySet<Incarnation>,
  ports: LinkPorts,
  signal: AbortSignal,
): Promise<{ readonly repo: RepositoryName; readonly inc: Incarnation } | undefined> {
  for await (const repo of markedRepositories(ports.driver)) {
    signal.throwIfAborted();
    for (const { inc } of await linksOf(repo, ports)) if (listed.has(inc)) return { repo, inc };
    await ports.yieldToRequests();
  }
  return undefined;
}
