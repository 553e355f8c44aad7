import type { AccessPolicy, Caller } from '../access/access.ts';
import type { RepositoryState } from '../journal/fold.ts';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import type { Digest, Incarnation, RepositoryName, Tag } from '../oci/names.ts';
import type { Page } from '../projection/projection.ts';
import type {
  Blob,
  CatalogPage,
  Delivery,
  Descriptor,
  Lister,
  Manifest,
  PageRequest,
  Reader,
  Reference,
  ReferrersRequest,
  ResolvedManifest,
} from '../registry/interface.ts';
import { nameUnknown } from '../registry/require-repository.ts';
import type { SealedPositions } from '../registry/sealed-position.ts';
import type { StoreReader } from '../storage/driver.ts';
import { dataKey } from '../storage/paths.ts';
import { collectedAt } from './collected.ts';
import { formatTime, type TimeMoment } from './moment.ts';
import type { MarkedNames } from './past-catalog.ts';
import type { PastName, PastNames } from './past-names.ts';
import { type PastStates, SETTLED_MS } from './past-states.ts';

export interface PastRegistryPorts {
  readonly names: PastNames;
  readonly states: PastStates;
  /** The names of all repositories that there ever were. */
  readonly marked: MarkedNames;
  readonly driver: StoreReader;
  /** Serves the content of repositories under their names of the past. */
  readonly content: Reader & Pick<Lister, 'tags' | 'referrers'>;
  readonly access: AccessPolicy;
  readonly positions: SealedPositions;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Both the default page size of the catalog and the largest one: each repository on it must be folded. */
const CATALOG_PAGE = 100;
/** A page of the catalog ends early after this many milliseconds. */
const CATALOG_MS = 5_000;
/** Names read from the store at once. */
const NAMES_BATCH = 1_000;

/**
 * The registry as it was: repositories under their names of the past (`past-names.ts`), read-only. Its bytes are those that the log
 * linked at the moment. Once garbage collection has freed them they are unknown, with an error that says when they went.
 */
export class PastRegistry implements Reader, Lister {
  readonly #ports: PastRegistryPorts;

  constructor(ports: PastRegistryPorts) {
    this.#ports = ports;
  }

  async getBlob(name: RepositoryName, digest: Digest, caller: Caller, delivery?: Delivery): Promise<Blob> {
    await this.#requireBlob(name, digest, caller);
    return await this.#ports.content.getBlob(name, digest, caller, delivery);
  }

  async resolveBlob(name: RepositoryName, digest: Digest, caller: Caller): Promise<{ readonly size: number }> {
    return await this.#requireBlob(name, digest, caller);
  }

  async getManifest(name: RepositoryName, reference: Reference, caller: Caller): Promise<Manifest> {
    await this.#requireManifest(name, reference, caller);
    return await this.#ports.content.getManifest(name, reference, caller);
  }

  async resolveManifest(name: RepositoryName, reference: Reference, caller: Caller): Promise<ResolvedManifest> {
    await this.#requireManifest(name, reference, caller);
    return await this.#ports.content.resolveManifest(name, reference, caller);
  }

  async tags(name: RepositoryName, page: PageRequest, caller: Caller): Promise<Page<Tag>> {
    await this.#require(name);
    return await this.#ports.content.tags(name, page, caller);
  }

  async referrers(
    name: RepositoryName,
    subject: Digest,
    request: ReferrersRequest,
    caller: Caller,
  ): Promise<Page<Descriptor>> {
    return await this.#ports.content.referrers(name, subject, request, caller);
  }

  async repositories(page: PageRequest, caller: Caller, base?: RepositoryName): Promise<CatalogPage> {
    const { names, states, marked, access, positions, now } = this.#ports;
    const moment = base === undefined ? undefined : names.parseBase(base);
    if (base === undefined || moment === undefined) throw nameUnknown(base ?? ('' as RepositoryName));
    const wanted = Math.min(page.limit ?? CATALOG_PAGE, CATALOG_PAGE);
    const deadline = now() + CATALOG_MS;
    const items: RepositoryName[] = [];
    for (let last = positions.positionOf(page.after); ; ) {
      const batch = await marked.page(moment.until + SETTLED_MS, last, NAMES_BATCH);
      for (const repo of batch.items) {
        if (access.mayList(caller, repo) && (await states.at(repo, moment)).state.exists) {
          if (items.length === wanted) return { items, more: true };
          items.push(repo);
        }
        if (now() > deadline || caller.signal.aborted) return { items, more: true, resume: positions.seal(repo) };
        last = repo;
      }
      if (!batch.more) return { items, more: false };
    }
  }

  async #requireBlob(name: RepositoryName, digest: Digest, { signal }: Caller): Promise<{ readonly size: number }> {
    const { past, state } = await this.#require(name);
    const link = state.blob(digest);
    if (link === undefined) throw absent('blob-unknown', past, `blob ${digest}`, { digest });
    await this.#requireStored({ kind: 'blob-unknown', past, what: `blob ${digest}`, digest, inc: link.inc }, signal);
    return { size: link.size };
  }

  async #requireManifest(name: RepositoryName, reference: Reference, { signal }: Caller): Promise<void> {
    const { past, state } = await this.#require(name);
    const digest = reference.kind === 'tag' ? state.tag(reference.tag) : reference.digest;
    const record = digest === undefined ? undefined : state.manifest(digest);
    if (digest === undefined || record === undefined) {
      const what = reference.kind === 'tag' ? `tag ${reference.tag}` : `manifest ${reference.digest}`;
      throw absent('manifest-unknown', past, what, {
        ...(reference.kind === 'tag' ? { tag: reference.tag } : { digest: reference.digest }),
      });
    }
    const what = `manifest ${digest}`;
    await this.#requireStored({ kind: 'manifest-unknown', past, what, digest, inc: record.inc }, signal);
  }

  async #require(name: RepositoryName): Promise<{ readonly past: PastName; readonly state: RepositoryState }> {
    const { names, states } = this.#ports;
    const past = names.parse(name);
    if (past === undefined) throw nameUnknown(name);
    const { state } = await states.at(past.repo, past.moment);
    if (state.exists) return { past, state };
    throw new RegistryError('name-unknown', `there was no repository ${past.repo} at ${timeOf(past.moment)}`, {
      name: past.repo,
    });
  }

  async #requireStored(
    {
      kind,
      past,
      what,
      digest,
      inc,
    }: {
      readonly kind: ErrorKind;
      readonly past: PastName;
      readonly what: string;
      readonly digest: Digest;
      readonly inc: Incarnation;
    },
    signal: AbortSignal,
  ): Promise<void> {
    const { driver, now } = this.#ports;
    if ((await driver.head(dataKey(inc), signal)) !== undefined) return;
    const collected = await collectedAt(driver, inc, past.moment.until, now);
    const when = collected === undefined ? 'since' : `at ${formatTime(collected)}`;
    throw new RegistryError(
      kind,
      `${past.repo} had the ${what} at ${timeOf(past.moment)}, but garbage collection has freed its bytes ${when}`,
      { digest, ...(collected === undefined ? {} : { freed: formatTime(collected) }) },
    );
  }
}

function absent(
  kind: ErrorKind,
  { repo, moment }: PastName,
  what: string,
  detail: Readonly<Record<string, string>>,
): RegistryError {
  return new RegistryError(kind, `${repo} had no ${what} at ${timeOf(moment)}`, detail);
}

function timeOf({ until }: TimeMoment): string {
  return formatTime(until);
}
