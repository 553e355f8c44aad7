import type { RepositoryState } from '../journal/fold.ts';
import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import { type EpochResult, finishEpoch, openEpoch, openEpochs } from './epoch.ts';
import { type Examined, findGarbage, type Garbage } from './garbage.ts';
import type { CollectionPorts } from './ports.ts';
import type { CollectionReport } from './report.ts';
import { type Scan, scanLogs } from './scan.ts';
import { unlinkUnreferenced, unreferencedBlobs } from './unreferenced.ts';

/** "sorted fixed-width lines, at most 100,000; more go in the next epoch". */
const EPOCH_SIZE = 100_000;
/** Garbage of so many bytes is worth an epoch. */
const WORTH_BYTES = 64 * 1024 * 1024;

/** How far a run is. */
export interface CollectionProgress {
  readonly phase: 'uploads' | 'epochs' | 'logs' | 'objects' | 'deleting';
  readonly examined: number;
  readonly freed: number;
}

export interface CollectOptions {
  /** Garbage is deleted also where there is so little of it that an epoch is not worth it. */
  readonly thorough?: boolean;
  readonly onProgress?: (progress: CollectionProgress) => void;
}

/** A run that did not get to its end; what it did until then was done. */
export class CollectionFailed extends Error {
  override readonly name = 'CollectionFailed';
  readonly report: CollectionReport;

  constructor(report: CollectionReport, cause: unknown) {
    super(report.failed ?? 'a collection failed', { cause });
    this.report = report;
  }
}

/**
 * Frees what nothing links any more, while pushes, mounts and deletes go on (DESIGN 8). May be stopped anywhere and run by any
 * number of processes at once: what one began another one ends.
 * @throws CollectionFailed; when a log cannot be folded nobody can tell what it links, so nothing is deleted
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
    this.#tell('epochs');
    for (const epoch of await openEpochs(this.#ports)) {
      this.#signal.throwIfAborted();
      this.#condemned += epoch.condemned.length;
      this.#count(await finishEpoch(epoch, this.#ports, this.#signal));
    }
    if (this.#broken !== undefined) return;
    this.#tell('logs');
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
      // Only now: other logs are looked at meanwhile, and count too.
      this.#unlinked += unlinked;
    } catch (error) {
      // What is unlinked already can be freed also while nothing more can be: the next run tries again.
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
    const { epochSize = EPOCH_SIZE } = this.#ports;
    let some: Garbage[] = [];
    for await (const garbage of findGarbage(this.#ports, scan, this.#examined)) {
      this.#signal.throwIfAborted();
      this.#found.objects++;
      this.#found.bytes += garbage.size;
      // One more than an epoch takes: only an epoch that takes all the rest may have the logs forget.
      if (some.length === epochSize) {
        await this.#collectSome(some, scan);
        some = [];
        if (this.#broken !== undefined) return;
      }
      some.push(garbage);
      if (this.#examined.objects % 1_000 === 0) this.#tell('objects');
    }
    if (this.#isWorthAnEpoch(some, scan)) await this.#collectSome(some, scan, scan.startedAt - this.#ports.grace);
    else for (const garbage of some) this.#leave(garbage);
  }

  async #collectSome(some: readonly Garbage[], { heads }: Scan, forget?: number): Promise<void> {
    const condemned = some.map(({ inc }) => inc).sort();
    const found = { found: some, ...(forget === undefined ? {} : { forget }) };
    const epoch = { id: this.#ports.newId(), condemned, heads, ...found };
    this.#tell('deleting');
    await openEpoch(epoch, this.#ports);
    this.#condemned += condemned.length;
    const result = await finishEpoch(epoch, this.#ports, this.#signal);
    this.#count(result);
    const failed = new Set(result.failures.map(({ inc }) => inc));
    for (const garbage of some) if (failed.has(garbage.inc)) this.#leave(garbage);
  }

  #count({ spared, freed, freedBytes, failures, broken }: EpochResult): void {
    this.#epochs++;
    this.#spared += spared;
    this.#freed.objects += freed;
    this.#freed.bytes += freedBytes;
    this.#failures += failures.length;
    this.#broken ??= broken;
    this.#tell('deleting');
  }

  #leave({ size, since }: Garbage): void {
    this.#waiting.objects++;
    this.#waiting.bytes += size;
    this.#oldest = Math.min(this.#oldest, since);
  }

  /**
   * "A fence costs one slot a repository, so an epoch waits until its garbage is worth it": when it is as many objects as there are
   * logs, or much, or has waited once more for as long as it had to.
   */
  #isWorthAnEpoch(some: readonly Garbage[], { repositories, startedAt }: Scan): boolean {
    if (some.length === 0) return false;
    if (this.#options.thorough === true || some.length >= repositories) return true;
    const bytes = some.reduce((sum, { size }) => sum + size, 0);
    const oldest = some.reduce((least, { since }) => Math.min(least, since), startedAt);
    return bytes >= WORTH_BYTES || oldest < startedAt - 2 * this.#ports.grace;
  }

  #tell(phase: CollectionProgress['phase']): void {
    this.#options.onProgress?.({ phase, examined: this.#examined.objects, freed: this.#freed.objects });
  }
}
