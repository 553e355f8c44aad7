import type { Caller } from '../access/access.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import type { Answer, Page } from '../projection/projection.ts';
import type { CatalogPage, Descriptor, PageRequest, ReferrersRequest } from './interface.ts';
import { descriptorOf } from './manifests.ts';
import { mapMaybeAsync } from './maybe-async.ts';
import type { RegistryPorts } from './ports.ts';
import { requireRepository } from './require-repository.ts';

/** Both the default page size and the largest one a client can get. */
const TAGS_PAGE = 10_000;
const CATALOG_PAGE = 1_000;
/** Referrers read per query while a page is filled. */
const REFERRERS_BATCH = 1_000;

/** Maximum number of repositories that are examined for one page of the catalog. A caller who may see few of them gets a shorter page. */
const MAX_SCANNED = 10 * CATALOG_PAGE;

type ListingsPorts = Pick<RegistryPorts, 'projection' | 'access' | 'positions'>;

export class Listings {
  readonly #ports: ListingsPorts;

  constructor(ports: ListingsPorts) {
    this.#ports = ports;
  }

  /** @throws RegistryError `name-unknown` */
  tags(repo: RepositoryName, { after, limit = TAGS_PAGE }: PageRequest): Answer<Page<Tag>> {
    const answer = this.#ports.projection.tags(repo, after, Math.min(limit, TAGS_PAGE));
    return mapMaybeAsync(answer, (found) => requireRepository(repo, found));
  }

  /**
   * Repositories the caller may pull from. They are filtered before they are paged.
   * @throws RegistryError `request-invalid` for a position that this store did not issue
   */
  async repositories({ after, limit = CATALOG_PAGE }: PageRequest, caller: Caller): Promise<CatalogPage> {
    const wanted = Math.min(limit, CATALOG_PAGE);
    const items: RepositoryName[] = [];
    let scanned = 0;
    for (let last = this.#ports.positions.positionOf(after); ; ) {
      // Always a full batch: with smaller ones, the response time would reveal whether hidden names follow.
      const page = await this.#ports.projection.repositories(last, CATALOG_PAGE);
      scanned += page.items.length;
      for (const repo of page.items) {
        if (!this.#ports.access.mayList(caller, repo)) continue;
        if (items.length === wanted) return { items, more: true };
        items.push(repo);
      }
      const end = page.items[page.items.length - 1];
      if (!page.more || end === undefined || caller.signal.aborted) return { items, more: false };
      // The caller may not be allowed to see where the scan ended.
      if (scanned >= MAX_SCANNED) return { items, more: true, resume: this.#ports.positions.seal(end) };
      last = end;
    }
  }

  /** Manifests with this subject, ordered by digest. */
  async referrers(
    repo: RepositoryName,
    subject: Digest,
    { artifactType, after, fits }: ReferrersRequest,
    caller: Caller,
  ): Promise<Page<Descriptor>> {
    const items: Descriptor[] = [];
    for (let last = after; ; ) {
      const query = { artifactType, after: last };
      const page = await this.#ports.projection.referrers(repo, subject, query, REFERRERS_BATCH);
      for (const manifest of page.items) {
        const descriptor = descriptorOf(manifest);
        if (!fits(descriptor)) return { items, more: true };
        items.push(descriptor);
      }
      last = page.items[page.items.length - 1]?.digest;
      if (!page.more || last === undefined || caller.signal.aborted) return { items, more: false };
    }
  }
}
