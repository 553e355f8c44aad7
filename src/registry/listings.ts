import type { Actor } from '../access/access.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import type { FoundManifest, Page, ReferrersQuery } from '../projection/projection.ts';
import { known } from './existence.ts';
import type { RegistryPorts } from './ports.ts';

/** A page when the client asks for no size, and the largest one that it can have. */
export const TAGS_PAGE = 10_000;
export const CATALOG_PAGE = 1_000;
/** Referrers that are looked at together while a page is filled. */
const REFERRERS_STEP = 1_000;

type ListingsPorts = Pick<RegistryPorts, 'projection' | 'access'>;

export class Listings {
  readonly #ports: ListingsPorts;

  constructor(ports: ListingsPorts) {
    this.#ports = ports;
  }

  /** @throws RegistryError `name-unknown` */
  async tags(repo: RepositoryName, after: string | undefined, limit: number): Promise<Page<Tag>> {
    const answer = this.#ports.projection.tags(repo, after, Math.min(limit, TAGS_PAGE));
    return known(repo, answer instanceof Promise ? await answer : answer);
  }

  /** Repositories that the actor may pull from: filtered before they are cut into pages. */
  async repositories(after: string | undefined, limit: number, actor: Actor): Promise<Page<RepositoryName>> {
    const wanted = Math.min(limit, CATALOG_PAGE);
    const items: RepositoryName[] = [];
    // Most actors see all: these, and one that says whether there are more. Who sees few gets there in large steps.
    let step = Math.min(wanted + 1, CATALOG_PAGE);
    for (let last = after; ; ) {
      const page = await this.#ports.projection.repositories(last, step);
      step = CATALOG_PAGE;
      for (const repo of page.items) {
        if (!this.#ports.access.allows(actor, 'pull', repo)) continue;
        if (items.length === wanted) return { items, more: true };
        items.push(repo);
      }
      if (!page.more) return { items, more: false };
      last = page.items[page.items.length - 1];
    }
  }

  /**
   * Manifests that name the subject, in the order of their digests.
   * @param fits asked for each one before it is taken: false ends the page before it
   */
  async referrers(
    repo: RepositoryName,
    subject: Digest,
    query: ReferrersQuery,
    fits: (manifest: FoundManifest) => boolean,
  ): Promise<Page<FoundManifest>> {
    const items: FoundManifest[] = [];
    for (let after = query.after; ; ) {
      const page = await this.#ports.projection.referrers(repo, subject, { ...query, after }, REFERRERS_STEP);
      for (const manifest of page.items) {
        if (!fits(manifest)) return { items, more: true };
        items.push(manifest);
      }
      after = page.items[page.items.length - 1]?.digest;
      if (!page.more || after === undefined) return { items, more: false };
    }
  }
}
