import type { Caller } from '../access/access.ts';
import { algorithmOf, DEFAULT_ALGORITHM, digestOf } from '../oci/digest.ts';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import { quotaExceeded } from '../quotas/excess.ts';
import type { Cost, Excess, HeldRoom, Ledger } from '../quotas/ledger.ts';
import type { PushedManifest, Reference, Registry, TagGuard } from '../registry/interface.ts';
import { mapMaybeAsync } from '../registry/maybe-async.ts';
import { Forwarding } from './forwarding.ts';

export interface QuotaPorts {
  readonly ledger: Pick<Ledger, 'limits' | 'limitsResource'> & { reserve(repo: RepositoryName): HeldRoom };
  /** Counts the repository's current usage into the ledger. */
  readonly count: (repo: RepositoryName) => Promise<void>;
  /** Called after a write. Returns whether the ledger already includes it; if not, the repository is counted soon. */
  readonly written: (repo: RepositoryName) => boolean;
  readonly refused: (excess: Excess) => void;
}

/** Upper bound of a write's cost, known before anything is looked up. */
type Estimate = Cost;
/** Looks up the actual cost, which is nothing if the repository already has the content. Called only if the estimate exceeds a quota. */
type FindCost = (estimate: Estimate) => Promise<Cost>;

const NOTHING: Cost = { bytes: 0, tags: 0, slots: 0 };
const SLOT: Cost = { bytes: 0, tags: 0, slots: 1 };

/**
 * Refuses writes that would exceed a quota of ACCESS_FILE. Content that the repository already has can be pushed again, and deletes are
 * never refused. The ledger is not part of the decision, so pushes do not wait for each other; docs/decisions/0065 says how far
 * concurrent writes can exceed a quota.
 */
export class Quotas extends Forwarding {
  readonly #ports: QuotaPorts;

  constructor(inner: Registry, ports: QuotaPorts) {
    super(inner);
    this.#ports = ports;
  }

  /** The size is not known yet, but without room for a single byte the upload would fail in the end. */
  override async startUpload(...call: Parameters<Registry['startUpload']>): ReturnType<Registry['startUpload']> {
    const [repo] = call;
    await this.#requireRoom(repo, { ...SLOT, bytes: 1 });
    return await this.inner.startUpload(...call);
  }

  override async appendToUpload(
    ...call: Parameters<Registry['appendToUpload']>
  ): ReturnType<Registry['appendToUpload']> {
    const [repo, , body] = call;
    await this.#requireRoom(repo, { ...SLOT, bytes: body.length ?? 1 });
    return await this.inner.appendToUpload(...call);
  }

  /** A refused upload stays open, so that it can be closed once there is room. */
  override async closeUpload(...call: Parameters<Registry['closeUpload']>): Promise<void> {
    const [repo, id, digest, body, , caller] = call;
    const isSizeNeeded = this.#ports.ledger.limitsResource(repo, 'bytes');
    const offset = isSizeNeeded ? (await this.inner.uploadStatus(repo, id, caller)).offset : 0;
    await this.#within(
      repo,
      { ...SLOT, bytes: offset + (body.length ?? 0) },
      (estimate) => this.#costOfBlob(repo, digest, caller, estimate),
      () => this.inner.closeUpload(...call),
    );
  }

  override async pushBlob(...call: Parameters<Registry['pushBlob']>): Promise<void> {
    const [repo, digest, body, caller] = call;
    await this.#within(
      repo,
      { ...SLOT, bytes: body.length ?? 1 },
      (estimate) => this.#costOfBlob(repo, digest, caller, estimate),
      () => this.inner.pushBlob(...call),
    );
  }

  /** Without `from` only the registry knows the source, and therefore the size. */
  override async mountBlob(...call: Parameters<Registry['mountBlob']>): Promise<boolean> {
    const [repo, digest, from, caller] = call;
    const isSizeNeeded = from !== undefined && this.#ports.ledger.limitsResource(repo, 'bytes');
    const bytes = isSizeNeeded ? ((await this.#sizeOfBlob(from, digest, caller)) ?? 0) : 1;
    return await this.#within(
      repo,
      { ...SLOT, bytes },
      (estimate) => this.#costOfBlob(repo, digest, caller, estimate),
      () => this.inner.mountBlob(...call),
    );
  }

  override async pushManifest(
    repo: RepositoryName,
    manifest: PushedManifest,
    caller: Caller,
    guard?: TagGuard,
  ): ReturnType<Registry['pushManifest']> {
    return await this.#within(
      repo,
      { ...SLOT, bytes: manifest.bytes.length },
      (estimate) => this.#costOfManifest(repo, manifest, caller, estimate),
      (reservation) =>
        this.inner.pushManifest(
          repo,
          manifest,
          caller,
          reservation === undefined ? guard : this.#guard(reservation, guard),
        ),
    );
  }

  /** Counts new tags within the decision, because only the decision knows which tags are new. */
  #guard(reservation: HeldRoom, outer: TagGuard | undefined): TagGuard {
    return (changes) =>
      mapMaybeAsync(outer?.(changes), (refused) => {
        if (refused !== undefined) return refused;
        const tags = changes.filter(({ before, after }) => before === undefined && after !== undefined).length;
        if (tags === 0) return undefined;
        const wanted = reservation.want({ ...reservation.held, tags });
        return mapMaybeAsync(wanted, (excess) => excess && this.#refusal(excess));
      });
  }

  async #requireRoom(repo: RepositoryName, wanted: Cost): Promise<void> {
    const reservation = this.#ports.ledger.reserve(repo);
    try {
      await this.#take(repo, reservation, wanted, async (estimate) => estimate);
    } finally {
      await reservation.release();
    }
  }

  /** @param work gets the reservation, or undefined if no quota matches the repository */
  async #within<T>(
    repo: RepositoryName,
    estimate: Estimate,
    findCost: FindCost,
    work: (reservation: HeldRoom | undefined) => Promise<T>,
  ): Promise<T> {
    const { ledger, written } = this.#ports;
    if (!ledger.limits(repo)) return await work(undefined);
    const reservation = ledger.reserve(repo);
    try {
      await this.#take(repo, reservation, estimate, findCost);
    } catch (error) {
      await reservation.release();
      throw error;
    }
    try {
      return await work(reservation);
    } finally {
      await (written(repo) ? reservation.release() : reservation.finish());
    }
  }

  /** @throws RegistryError `denied` */
  async #take(repo: RepositoryName, reservation: HeldRoom, estimate: Estimate, findCost: FindCost): Promise<void> {
    if ((await reservation.want(estimate)) === undefined) return;
    // The ledger may be slightly out of date. Space that the repository has just freed must not cause a refusal.
    await this.#ports.count(repo);
    const excess = await reservation.want(await findCost(estimate));
    if (excess !== undefined) throw this.#refusal(excess);
  }

  #refusal(excess: Excess): RegistryError {
    this.#ports.refused(excess);
    return quotaExceeded(excess);
  }

  async #costOfBlob(repo: RepositoryName, digest: Digest, caller: Caller, estimate: Estimate): Promise<Cost> {
    return (await this.#sizeOfBlob(repo, digest, caller)) === undefined ? estimate : NOTHING;
  }

  async #costOfManifest(
    repo: RepositoryName,
    { bytes, digest, tags }: PushedManifest,
    caller: Caller,
    estimate: Estimate,
  ): Promise<Cost> {
    const pushed = digestOf(digest === undefined ? DEFAULT_ALGORITHM : algorithmOf(digest), bytes);
    if (!(await this.#names(repo, { kind: 'digest', digest: pushed }, pushed, caller))) return estimate;
    for (const tag of tags) if (!(await this.#names(repo, { kind: 'tag', tag }, pushed, caller))) return SLOT;
    return NOTHING;
  }

  async #sizeOfBlob(repo: RepositoryName, digest: Digest, caller: Caller): Promise<number | undefined> {
    return (await orUndefined(async () => await this.inner.resolveBlob(repo, digest, caller)))?.size;
  }

  async #names(repo: RepositoryName, reference: Reference, digest: Digest, caller: Caller): Promise<boolean> {
    const found = await orUndefined(async () => await this.inner.resolveManifest(repo, reference, caller));
    return found?.digest === digest;
  }
}

const UNKNOWN: ReadonlySet<ErrorKind> = new Set(['name-unknown', 'blob-unknown', 'manifest-unknown']);

async function orUndefined<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof RegistryError && UNKNOWN.has(error.kind)) return undefined;
    throw error;
  }
}
