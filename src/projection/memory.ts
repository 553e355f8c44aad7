import type { Command } from '../journal/command.ts';
import { RepositoryState } from '../journal/fold.ts';
import { foldLog, type WalkedLog } from '../journal/log.ts';
import type { CopiedSlot } from '../journal/replay.ts';
import type { BlobLink, RepositoryUsage } from '../journal/state.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import { slotKey } from '../storage/paths.ts';
import { MemoryCatalog } from './memory-catalog.ts';
import type {
  Answer,
  BlobUse,
  FoundManifest,
  InRepository,
  Page,
  Projection,
  ReferrersQuery,
  Replayer,
  SlotsShown,
} from './projection.ts';
import { aheadOf, Resident, type ResidentPorts } from './resident.ts';
import {
  blobLink,
  blobUse,
  inRepository,
  manifestByDigest,
  manifestByTag,
  referrerPage,
  tagPage,
} from './state-answers.ts';
import { Follower } from './threads/follower.ts';
import type { Heads } from './threads/heads.ts';

export interface MemoryProjectionPorts extends ResidentPorts {
  /** Estimated bytes of memory for folded states; the least recently used are evicted and folded again when needed. */
  readonly budget: number;
  /** The table that this process's threads share, if it has several and no other process writes to the store. Excludes `probe`. */
  readonly heads?: Heads | undefined;
  /** The markers could not be listed in the background. Called once until a listing succeeds. */
  readonly onListingFailed: (error: unknown) => void;
}

/**
 * Views folded from the log into this thread's memory, each repository on first use. If this process has locked the data folder
 * they are always current, or `heads` says whether they are. Otherwise each use probes the log for slots of other processes.
 */
export class MemoryProjection implements Projection, Replayer, SlotsShown {
  readonly #ports: MemoryProjectionPorts;
  /** Least recently used first. */
  readonly #residents = new Map<RepositoryName, Resident>();
  readonly #folding = new Map<RepositoryName, Promise<Resident>>();
  readonly #catalog: MemoryCatalog;
  #weight = 0;

  constructor(ports: MemoryProjectionPorts) {
    this.#ports = ports;
    this.#catalog = new MemoryCatalog({
      driver: ports.driver,
      exists: async (repo) => (await this.newest(repo)).exists,
      probes: ports.probe === true,
      heads: ports.heads,
      listingFailed: ports.onListingFailed,
    });
  }

  manifestByTag(repo: RepositoryName, tag: Tag): Answer<InRepository<FoundManifest | undefined>> {
    return this.#ask(repo, manifestByTag, tag);
  }

  manifestByDigest(repo: RepositoryName, digest: Digest): Answer<InRepository<FoundManifest | undefined>> {
    return this.#ask(repo, manifestByDigest, digest);
  }

  blob(repo: RepositoryName, digest: Digest): Answer<InRepository<BlobLink | undefined>> {
    return this.#ask(repo, blobLink, digest);
  }

  blobUse(repo: RepositoryName, digest: Digest): Answer<InRepository<BlobUse | undefined>> {
    return this.#ask(repo, blobUse, digest);
  }

  tags(repo: RepositoryName, after: string | undefined, limit: number): Answer<InRepository<Page<Tag>>> {
    return this.#ask(repo, (state, start) => tagPage(state, start, limit), after);
  }

  async referrers(
    repo: RepositoryName,
    subject: Digest,
    query: ReferrersQuery,
    limit: number,
  ): Promise<Page<FoundManifest>> {
    const { state } = await this.#fresh(repo);
    return referrerPage(state, subject, query, limit);
  }

  repositories(after: string | undefined, limit: number): Promise<Page<RepositoryName>> {
    return this.#catalog.page(after, limit);
  }

  submit<T>(repo: RepositoryName, command: Command<T>): Promise<T> {
    return this.#write(repo, (resident) => resident.writer.submit(command));
  }

  async replay(repo: RepositoryName, slots: readonly CopiedSlot[]): Promise<void> {
    // The marker exists, and slot 1 may soon.
    this.#catalog.noticed(repo);
    await this.#write(repo, (resident) => resident.replay(slots));
  }

  async #write<T>(repo: RepositoryName, write: (resident: Resident) => Promise<T>): Promise<T> {
    for (;;) {
      const resident = await this.#resident(repo);
      // No await from here until the write begins, so that it cannot be evicted in between.
      if (!this.#isWritable(repo, resident)) continue;
      const { exists } = resident.state;
      try {
        return await write(resident);
      } finally {
        // Before the caller is answered, and also after a failure: an unconfirmed write may exist.
        if (resident.writer.hasMarked) this.#catalog.noticed(repo);
        // Also after a refusal, which may have been decided on slots that were found only then.
        if (resident.state.exists !== exists) this.#catalog.changed(repo, resident.state.exists);
        this.#reweigh(repo, resident);
      }
    }
  }

  /** The state of a repository for a background job, with the tail after its newest snapshot. */
  resident(repo: RepositoryName): Promise<Pick<Resident, 'state' | 'tail'>> {
    return this.#fresh(repo);
  }

  /**
   * The state of a resident repository, as far as it is folded. The call neither folds nor counts as a use.
   * @returns undefined also if other threads have written to the repository since: a view that nobody uses would never follow them
   */
  kept(repo: RepositoryName): RepositoryState | undefined {
    const resident = this.#residents.get(repo);
    return this.#ports.heads === undefined || resident?.isCurrent === true ? resident?.state : undefined;
  }

  /** Estimated bytes of memory of all resident states. */
  get weight(): number {
    return this.#weight;
  }

  get size(): number {
    return this.#residents.size;
  }

  /** Existence and newest slot of a repository. */
  async newest(repo: RepositoryName): Promise<{ readonly exists: boolean; readonly seq: number }> {
    const { state } = await this.#fresh(repo);
    return { exists: state.exists, seq: state.seq };
  }

  /** Never folds a repository that is not in memory: its next use reads all slots anyway. */
  async shown(repo: RepositoryName, seq: number): Promise<void> {
    const { driver, heads } = this.#ports;
    const resident = this.#residents.get(repo) ?? (await this.#folding.get(repo));
    if (resident === undefined) {
      if (heads === undefined) return;
      const follower = new Follower(heads.of(repo));
      if (follower.mustCount) await driver.confirm(slotKey(repo, seq));
      follower.folded({ seq });
      return;
    }
    if (resident.state.seq >= seq) return;
    await resident.catchUp();
    this.#reweigh(repo, resident);
  }

  /** What a repository uses at its newest slot. */
  async usage(repo: RepositoryName): Promise<RepositoryUsage> {
    const { state } = await this.#fresh(repo);
    return state.usage;
  }

  /** The slot up to which a resident repository is folded; 0 for others. */
  folded(repo: RepositoryName): number {
    return this.#residents.get(repo)?.state.seq ?? 0;
  }

  #ask<K, T>(repo: RepositoryName, answer: (state: RepositoryState, key: K) => T, key: K): Answer<InRepository<T>> {
    const resident = this.#use(repo);
    return resident?.isCurrent === true ? inRepository(resident.state, answer, key) : this.#askFresh(repo, answer, key);
  }

  async #askFresh<K, T>(
    repo: RepositoryName,
    answer: (state: RepositoryState, key: K) => T,
    key: K,
  ): Promise<InRepository<T>> {
    const { state } = await this.#fresh(repo);
    return inRepository(state, answer, key);
  }

  /** The repository with every slot that was acknowledged or shown before this call. */
  async #fresh(repo: RepositoryName): Promise<Resident> {
    const isKnown = this.#residents.has(repo) || this.#folding.has(repo);
    const resident = await this.#resident(repo);
    // A fold started by this call includes every slot written before it; one that was in progress may not.
    if (!isKnown || resident.isCurrent) return resident;
    await resident.refresh();
    this.#reweigh(repo, resident);
    return resident;
  }

  /**
   * Whether this is the repository's only resident, because two writers would make each other's view stale. A resident that was not
   * kept, because its log is empty, or that was evicted since the lookup is kept now. There was no I/O in between, so no write can
   * have happened meanwhile.
   */
  #isWritable(repo: RepositoryName, resident: Resident): boolean {
    const kept = this.#residents.get(repo);
    if (kept !== undefined || this.#folding.has(repo)) return kept === resident;
    this.#keep(repo, resident);
    return true;
  }

  #use(repo: RepositoryName): Resident | undefined {
    const resident = this.#residents.get(repo);
    // The order of use matters only for eviction, so reads do not pay for it while there is plenty of memory.
    if (resident !== undefined && this.#weight * 2 > this.#ports.budget) {
      this.#residents.delete(repo);
      this.#residents.set(repo, resident);
    }
    return resident;
  }

  async #resident(repo: RepositoryName): Promise<Resident> {
    const resident = this.#use(repo) ?? this.#folding.get(repo);
    if (resident !== undefined) return await resident;
    const folding = this.#fold(repo);
    this.#folding.set(repo, folding);
    try {
      return await folding;
    } finally {
      this.#folding.delete(repo);
    }
  }

  async #fold(repo: RepositoryName): Promise<Resident> {
    const { heads } = this.#ports;
    // Before the first look for slots.
    const follower = heads && new Follower(heads.of(repo));
    if (await this.#hasNoLog(repo)) return new Resident(repo, emptyLog(), this.#ports, follower);
    const folded = await foldLog(this.#ports.driver, repo, aheadOf(this.#ports));
    // A process that was killed may have left the newest slot in the page cache only, but responses must depend on durable slots.
    if (folded.state.seq > 0) await this.#ports.driver.confirm(slotKey(repo, folded.state.seq));
    follower?.folded(folded.state);
    const resident = new Resident(repo, folded, this.#ports, follower);
    // Names that are only read must not evict real repositories.
    if (folded.state.seq > 0) this.#keep(repo, resident);
    return resident;
  }

  /** Costs the store nothing for a name that was never written to, or one HEAD if others write to the store. */
  async #hasNoLog(repo: RepositoryName): Promise<boolean> {
    if (this.#catalog.lacks(repo)) return true;
    if (this.#ports.probe !== true && this.#ports.heads === undefined) return false;
    return (await this.#ports.driver.head(slotKey(repo, 1))) === undefined;
  }

  #keep(repo: RepositoryName, resident: Resident): void {
    this.#residents.set(repo, resident);
    this.#weight += resident.weight;
    this.#evict(resident);
  }

  #reweigh(repo: RepositoryName, resident: Resident): void {
    if (this.#residents.get(repo) !== resident) return;
    const weight = resident.state.weight;
    this.#weight += weight - resident.weight;
    resident.weight = weight;
    this.#evict(resident);
  }

  #evict(except: Resident): void {
    for (const [repo, resident] of this.#residents) {
      if (this.#weight <= this.#ports.budget) return;
      if (resident === except || !resident.isIdle) continue;
      this.#residents.delete(repo);
      this.#weight -= resident.weight;
    }
  }
}

function emptyLog(): WalkedLog {
  return { state: new RepositoryState(), slots: 0, bytes: 0, snapshotBytes: 0 };
}
