import { RegistryError } from '../oci/errors.ts';
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
  readonly phase: 'epochs' | 'logs' | 'objects' | 'deleting';
  readonly examined: number;
  readonly freed: number;
}

export interface CollectOptions {
  /** Garbage is deleted also where there is so little of it that an epoch is not worth it. */
  readonly thorough?: boolean;
  readonly onProgress?: (progress: CollectionProgress) => void;
}

/**
 * Frees what nothing links any more, while pushes, mounts and deletes go on (DESIGN 8). May be stopped anywhere and run by any
 * number of processes at once: what one began another one ends.
 * @throws RegistryError `log-broken` when a log cannot be folded: what it links nobody can tell, so nothing is deleted
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

  constructor(ports: CollectionPorts, signal: AbortSignal, options: CollectOptions) {
    this.#ports = ports;
    this.#signal = signal;
    this.#options = options;
  }

  async run(): Promise<CollectionReport> {
    const { now, newId } = this.#ports;
    const run = newId();
    const startedAt = now();
    this.#tell('epochs');
    for (const epoch of await openEpochs(this.#ports)) {
      this.#signal.throwIfAborted();
      this.#condemned += epoch.condemned.length;
      this.#count(await finishEpoch(epoch, this.#ports, this.#signal));
    }
    this.#tell('logs');
    const unreferencedBefore = startedAt - this.#ports.grace;
    const scan = await scanLogs(this.#ports, this.#signal, async (repo, state) => {
      const blobs = unreferencedBlobs(state, unreferencedBefore);
      try {
        this.#unlinked += await unlinkUnreferenced(repo, blobs, unreferencedBefore, this.#ports.projection);
      } catch (error) {
        // What is unlinked already can be freed also while nothing more can be: the next run tries again.
        if (!(error instanceof RegistryError && error.kind === 'unavailable')) throw error;
        this.#failures++;
      }
    });
    try {
      if (this.#broken === undefined) await this.#collectFrom(scan);
    } finally {
      await scan.live.close();
    }
    const finishedAt = now();
    const { objects, bytes } = this.#examined;
    return {
      ...{ run, startedAt, finishedAt, repositories: scan.repositories, unlinked: this.#unlinked },
      examined: { objects, bytes },
      kept: { objects: objects - this.#found.objects, bytes: bytes - this.#found.bytes },
      ...{ condemned: this.#condemned, spared: this.#spared, epochs: this.#epochs, failures: this.#failures },
      freed: { ...this.#freed },
      waiting: { ...this.#waiting },
      oldestGarbageSeconds: Math.max(0, (finishedAt - this.#oldest - this.#ports.grace) / 1000),
      ...(this.#broken === undefined ? {} : { broken: this.#broken.message }),
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
    const sizes = new Map(some.map(({ inc, size }) => [inc, size]));
    const condemned = [...sizes.keys()].sort();
    const epoch = { id: this.#ports.newId(), condemned, heads, sizes, ...(forget === undefined ? {} : { forget }) };
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
