import type { RepositoryState } from '../journal/fold.ts';
import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import { type EpochResult, finishEpoch, openEpoch, openEpochs } from './epoch.ts';
import { type Examined, findGarbage, type Garbage } from './garbage.ts';
import { removeEndedHolds } from './holds.ts';
import type { CollectionPorts } from './ports.ts';
import type { CollectionReport } from './report.ts';
import { type Scan, scanLogs } from './scan.ts';
import { unlinkUnreferenced, unreferencedBlobs } from './unreferenced.ts';

/** The most objects in one epoch; the rest go into the next one. */
const MAX_EPOCH_SIZE = 100_000;
/** Garbage of this many bytes is always worth an epoch. */
const MIN_EPOCH_BYTES = 64 * 1024 * 1024;

/** The progress of a run. */
export interface CollectionProgress {
  readonly phase: 'uploads' | 'epochs' | 'logs' | 'objects' | 'deleting';
  readonly examined: number;
  readonly freed: number;
}

export interface CollectOptions {
  /** Deletes garbage even if there is too little of it to be worth an epoch. */
  readonly thorough?: boolean;
  readonly onProgress?: (progress: CollectionProgress) => void;
}

/** A run stopped early. Its report says what it had done until then. */
export class CollectionFailed extends Error {
  override readonly name = 'CollectionFailed';
  readonly report: CollectionReport;

  constructor(report: CollectionReport, cause: unknown) {
    super(report.failed ?? 'a collection failed', { cause });
    this.report = report;
  }
}

/**
 * Frees objects that no log links, while pushes, mounts and deletes go on (DESIGN 8). It may be stopped anywhere and run by any
 * number of processes at once: each finishes what another began.
 * @throws CollectionFailed; if a log cannot be folded its links are unknown, so nothing is deleted
 */
export async function collect(
  ports: CollectionPorts,
  signal: AbortSignal,
  options: CollectOptions = {},
): Promise<CollectionReport> {
  return await new Collection(ports, signal, options).run();
}

/** One run. */
class Collection {
  readonly #ports: CollectionPorts;
  readonly #id: string;
  readonly #signal: AbortSignal;
  readonly #options: CollectOptions;
  readonly #examined: Examined = { objects: 0, bytes: 0 };
  readonly #found: Examined = { objects: 0, bytes: 0 };
  readonly #freed: Examined = { objects: 0, bytes: 0 };
  readonly #waiting: Examined = { objects: 0, bytes: 0 };
  #oldest = Number.POSITIVE_INFINITY;
  #unlinked = 0;
  #condemned = 0;
  #spared = 0;
  #epochs = 0;
  #failures = 0;
  #broken: RegistryError | undefined;
  #repositories = 0;

  constructor(ports: CollectionPorts, signal: AbortSignal, options: CollectOptions) {
    this.#ports = ports;
    this.#id = ports.newId();
    this.#signal = signal;
    this.#options = options;
  }

  async run(): Promise<CollectionReport> {
    const startedAt = this.#ports.now();
    try {
      await this.#run(startedAt);
      if (this.#broken !== undefined) throw this.#broken;
      return this.#report(startedAt);
    } catch (error) {
      this.#signal.throwIfAborted();
      const failed = error instanceof Error ? error.message : String(error);
      throw new CollectionFailed({ ...this.#report(startedAt), failed }, error);
    }
  }

  async #run(startedAt: number): Promise<void> {
    this.#reportProgress('epochs');
    for (const epoch of await openEpochs(this.#ports)) {
      this.#signal.throwIfAborted();
      this.#condemned += epoch.condemned.length;
      this.#count(await finishEpoch(epoch, this.#ports, this.#signal));
    }
    if (this.#broken !== undefined) return;
    this.#reportProgress('logs');
    await removeEndedHolds(this.#ports.driver, startedAt);
    const scan = await scanLogs(this.#ports, this.#signal, (repo, state) => this.#unlink(repo, state, startedAt));
    this.#repositories = scan.repositories;
    try {
      await this.#collectFrom(scan);
    } finally {
      await scan.live.close();
    }
  }

  /** Logical collection of one repository. */
  async #unlink(repo: RepositoryName, state: RepositoryState, startedAt: number): Promise<void> {
    const before = startedAt - this.#ports.grace;
    try {
      const blobs = unreferencedBlobs(state, before);
      const unlinked = await unlinkUnreferenced(repo, blobs, before, this.#ports.projection);
      // Added after the await, because other logs are unlinked concurrently.
      this.#unlinked += unlinked;
    } catch (error) {
      // Only this log's append failed, and the next run retries it. Objects that are already unlinked can still be freed.
      if (!(error instanceof RegistryError && error.kind === 'unavailable')) throw error;
      this.#failures++;
    }
  }

  #report(startedAt: number): CollectionReport {
    const { objects, bytes } = this.#examined;
    const finishedAt = this.#ports.now();
    return {
      ...{ run: this.#id, startedAt, finishedAt, repositories: this.#repositories, unlinked: this.#unlinked },
      examined: { objects, bytes },
      kept: { objects: objects - this.#found.objects, bytes: bytes - this.#found.bytes },
      ...{ condemned: this.#condemned, spared: this.#spared, epochs: this.#epochs, failures: this.#failures },
      freed: { ...this.#freed },
      waiting: { ...this.#waiting },
      oldestGarbageSeconds: Math.max(0, (finishedAt - this.#oldest - this.#ports.grace) / 1000),
    };
  }

  async #collectFrom(scan: Scan): Promise<void> {
    const { epochSize = MAX_EPOCH_SIZE } = this.#ports;
    let some: Garbage[] = [];
    for await (const garbage of findGarbage(this.#ports, scan, this.#examined)) {
      this.#signal.throwIfAborted();
      this.#found.objects++;
      this.#found.bytes += garbage.size;
      // A full epoch starts only once there is more garbage, because the last epoch also lets the logs forget tombstones.
      if (some.length === epochSize) {
        await this.#collectSome(some, scan);
        some = [];
        if (this.#broken !== undefined) return;
      }
      some.push(garbage);
      if (this.#examined.objects % 1_000 === 0) this.#reportProgress('objects');
    }
    if (this.#isWorthAnEpoch(some, scan)) await this.#collectSome(some, scan, scan.startedAt - this.#ports.grace);
    else for (const garbage of some) this.#defer(garbage);
  }

  async #collectSome(some: readonly Garbage[], { heads, holds }: Scan, forget?: number): Promise<void> {
    const condemned = some.map(({ inc }) => inc).sort();
    const found = { found: some, ...(forget === undefined ? {} : { forget }) };
    const epoch = { id: this.#ports.newId(), condemned, heads, holds, ...found };
    this.#reportProgress('deleting');
    await openEpoch(epoch, this.#ports);
    this.#condemned += condemned.length;
    const result = await finishEpoch(epoch, this.#ports, this.#signal);
    this.#count(result);
    const failed = new Set(result.failures.map(({ inc }) => inc));
    for (const garbage of some) if (failed.has(garbage.inc)) this.#defer(garbage);
  }

  #count({ spared, freed, freedBytes, failures, broken }: EpochResult): void {
    this.#epochs++;
    this.#spared += spared;
    this.#freed.objects += freed;
    this.#freed.bytes += freedBytes;
    this.#failures += failures.length;
    this.#broken ??= broken;
    this.#reportProgress('deleting');
  }

  #defer({ size, since }: Garbage): void {
    this.#waiting.objects++;
    this.#waiting.bytes += size;
    this.#oldest = Math.min(this.#oldest, since);
  }

  /**
   * A fence costs one slot in every log, so an epoch must be worth it. It needs as many objects as there are logs, MIN_EPOCH_BYTES,
   * or an object that has been garbage for twice GC_GRACE.
   */
  #isWorthAnEpoch(some: readonly Garbage[], { repositories, startedAt }: Scan): boolean {
    if (some.length === 0) return false;
    if (this.#options.thorough === true || some.length >= repositories) return true;
    const bytes = some.reduce((sum, { size }) => sum + size, 0);
    const oldest = some.reduce((least, { since }) => Math.min(least, since), startedAt);
    return bytes >= MIN_EPOCH_BYTES || oldest < startedAt - 2 * this.#ports.grace;
  }

  #reportProgress(phase: CollectionProgress['phase']): void {
    this.#options.onProgress?.({ phase, examined: this.#examined.objects, freed: this.#freed.objects });
  }
}
