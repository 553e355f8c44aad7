import { forEachConcurrently } from '../collection/concurrently.ts';
import { NO_SLOT } from '../journal/events.ts';
import type { Digest, Incarnation, RepositoryName } from '../oci/names.ts';
import type { StoredObject } from '../storage/driver.ts';
import { dataKey } from '../storage/paths.ts';
import { Semaphore } from '../system/semaphore.ts';
import type { CutLog, Known } from './cut.ts';
import { BackupIncomplete, BackupRefused, type Damage, MAX_DAMAGES } from './errors.ts';
import { type HeldCut, type HoldPorts, takeHeldCut } from './held-cut.ts';
import { type Link, Links } from './links.ts';
import { advance, batchOf, brokenSlot, type Log, type LogPosition, slotKeyOf } from './logs.ts';
import { type LogCopy, logsOf, type Manifest } from './manifest.ts';
import { FrameGatherer, PackWriter } from './pack-writer.ts';
import type { BackupPlace } from './place.ts';
import { failedRun, type RunReport } from './run-reports.ts';

/** Logs copied concurrently, and objects of each of them. */
const LOG_CONCURRENCY = 4;
const OBJECT_CONCURRENCY = 8;
/** Objects from this size on take memory while they are copied, so only a few of them are at a time. */
const LARGE_BYTES = 1024 * 1024;
const LARGE_CONCURRENCY = 4;
/** Slots of one log read concurrently. */
const READ_AHEAD = 16;
/** A log that consists of more frames, because it changed between so many backups, is stored again. */
const MAX_FRAMES = 256;

export interface BackupProgress {
  /** Logs that are done, and all that have new slots. */
  readonly logs: number;
  readonly of: number;
  readonly bytes: number;
}

export interface BackupPorts extends HoldPorts {
  readonly place: BackupPlace;
  /** ULID of the store, and what the hashes of its robots' secrets are bound to. */
  readonly store: Incarnation;
  readonly secrets: Incarnation;
  readonly version: string;
  /** Awaited between small pieces of work. */
  readonly pace: () => Promise<void>;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: BackupProgress) => void;
  /** Called at the end of the run, whether there is a backup or not. Never rejects. */
  readonly onEnd: (report: RunReport) => Promise<void>;
}

/** A whole backup, as stored. */
export interface BackupReport {
  readonly id: Incarnation;
  readonly name: string;
  readonly moment: string;
  readonly repositories: number;
  /** Of repositories and of the store. */
  readonly slots: number;
  readonly added: Manifest['added'];
  readonly seconds: number;
}

interface KnownLog extends Known {
  readonly copy: LogCopy;
}

/**
 * Adds a backup to a place, while others read, write and collect. What earlier backups have is not copied again.
 * @throws BackupRefused; BackupIncomplete after it has copied all it could; RegistryError `log-broken`, `storage-full`
 */
export async function backUp(ports: BackupPorts): Promise<BackupReport> {
  const run = new BackupRun(ports);
  try {
    const report = await run.run();
    await ports.onEnd(run.report());
    return report;
  } catch (error) {
    await ports.onEnd(failedRun(run.report(), ports.signal.aborted ? new Error('it was interrupted') : error));
    throw error;
  }
}

class BackupRun {
  readonly #ports: BackupPorts;
  readonly #id: Incarnation;
  readonly #began: number;
  readonly #packs: PackWriter;
  readonly #large = new Semaphore(LARGE_CONCURRENCY);
  readonly #added = { objects: 0, bytes: 0, slots: 0 };
  readonly #damages: Damage[] = [];
  /** Digests that are being copied: other repositories that share them wait. */
  readonly #copying = new Map<Digest, Promise<void>>();
  #damageCount = 0;
  #done = 0;
  #total = 0;
  #packsBefore: readonly string[] = [];
  #cut: HeldCut<KnownLog> | undefined;

  constructor(ports: BackupPorts) {
    this.#ports = ports;
    this.#id = ports.newId();
    this.#began = ports.now();
    this.#packs = new PackWriter(async (pack, bytes) => {
      await ports.place.addPack(pack, bytes);
      this.#added.bytes += bytes.length;
    });
  }

  async run(): Promise<BackupReport> {
    const { place, store, name } = this.#ports;
    await place.claim(store);
    const prunes = await place.endedPrunes(this.#began);
    const earlier = await place.list();
    if (earlier.some((each) => each.name === name))
      throw new BackupRefused(`${place.name} has a backup ${name} already: choose another name`);
    const newest = earlier.at(-1);
    const before = newest === undefined ? undefined : await place.read(newest);
    const cut = await takeHeldCut(this.#known(before), this.#ports);
    this.#cut = cut;
    try {
      const copies = await this.#copyLogs(cut);
      const packs = await this.#packs.finish();
      const manifest = this.#manifest({ prunes, cut, packs, copies });
      await place.finish(manifest);
      return reportOf(manifest);
    } finally {
      await cut.release();
    }
  }

  /** What the run did so far. */
  report(): Omit<RunReport, 'failed'> {
    const { place, name, by, now } = this.#ports;
    return {
      ...{ run: this.#id, name, place: place.name, by, startedAt: this.#began, finishedAt: now() },
      added: { ...this.#added },
      ...(this.#cut === undefined ? {} : { cut: describeCut(this.#cut) }),
    };
  }

  #known(before: Manifest | undefined): (log: Log) => KnownLog | undefined {
    if (before === undefined) return () => undefined;
    this.#packsBefore = before.packs;
    const repositories = new Map(before.repositories);
    return (log) => {
      const copy = log.kind === 'repository' ? repositories.get(log.repo) : before.logs[log.kind];
      return copy === undefined || copy.frames.length > MAX_FRAMES
        ? undefined
        : { seq: copy.seq, hash: copy.hash, copy };
    };
  }

  async #copyLogs(cut: HeldCut<KnownLog>): Promise<Map<CutLog<KnownLog>, LogCopy>> {
    const copies = new Map<CutLog<KnownLog>, LogCopy>();
    const changed = cut.logs.filter(({ known, seq }) => known?.seq !== seq);
    this.#total = changed.length;
    for (const each of cut.logs) {
      if (each.known?.seq === each.seq) copies.set(each, { ...each.known.copy, frames: this.#framesOf(each.known) });
    }
    await forEachConcurrently(changed, LOG_CONCURRENCY, async (each) => {
      copies.set(each, await this.#copyLog(each, cut));
      this.#done++;
      this.#ports.onProgress?.({ logs: this.#done, of: this.#total, bytes: this.#added.bytes });
    });
    if (this.#damageCount > 0) throw new BackupIncomplete(this.#damages, this.#damageCount);
    return copies;
  }

  /** The frames of a log that the place has, by the indexes of this backup's packs. */
  #framesOf({ copy }: KnownLog): LogCopy['frames'] {
    return copy.frames.map(([pack, ...rest]) => [
      this.#packs.refer(this.#packsBefore[pack] ?? missingPack(pack)),
      ...rest,
    ]);
  }

  async #copyLog({ log, known, seq }: CutLog<KnownLog>, { renew }: HeldCut<KnownLog>): Promise<LogCopy> {
    const links = new Links();
    let at: LogPosition = known ?? { seq: 0, hash: NO_SLOT };
    const gatherer = new FrameGatherer(this.#packs, at.seq + 1);
    for await (const bytes of this.#slots(log, at.seq, seq)) {
      await this.#ports.pace();
      await renew();
      if (log.kind === 'repository') links.apply(batchOf(log, at.seq + 1, bytes).events);
      at = advance(log, at, bytes);
      await gatherer.add(bytes);
      this.#added.slots++;
    }
    await gatherer.flush();
    if (log.kind === 'repository') {
      const { repo } = log;
      await forEachConcurrently(links, OBJECT_CONCURRENCY, async (link) => {
        await this.#ports.pace();
        await renew();
        await this.#copyOnce(repo, link);
      });
    }
    return {
      seq: at.seq,
      hash: at.hash,
      frames: [...(known === undefined ? [] : this.#framesOf(known)), ...gatherer.frames],
    };
  }

  async *#slots(log: Log, after: number, last: number): AsyncGenerator<Uint8Array> {
    const { reader, signal } = this.#ports;
    for (let next = after + 1; next <= last; next += READ_AHEAD) {
      signal.throwIfAborted();
      const count = Math.min(READ_AHEAD, last - next + 1);
      const some = Array.from({ length: count }, (_, index) => reader.read(slotKeyOf(log, next + index)));
      for (const [index, bytes] of (await Promise.all(some)).entries()) {
        if (bytes === undefined) throw brokenSlot(log, next + index, 'it is missing');
        yield bytes;
      }
    }
  }

  /** Several repositories may have the same content, and their links are copied concurrently. */
  async #copyOnce(repo: RepositoryName, link: Link): Promise<void> {
    await this.#copying.get(link.digest);
    const copying = this.#copyObject(repo, link);
    this.#copying.set(link.digest, copying);
    try {
      await copying;
    } finally {
      if (this.#copying.get(link.digest) === copying) this.#copying.delete(link.digest);
    }
  }

  async #copyObject(repo: RepositoryName, { digest, inc, size }: Link): Promise<void> {
    const { place, reader, signal } = this.#ports;
    signal.throwIfAborted();
    if (await place.has(digest, size)) return;
    const object = await reader.open(dataKey(inc));
    if (object === undefined) return this.#damaged({ repo, digest, problem: 'missing' });
    const isRight = object.size === size && (await this.#add(digest, object));
    if (!isRight) return this.#damaged({ repo, digest, problem: 'damaged' });
    this.#added.objects++;
    this.#added.bytes += size;
  }

  async #add(digest: Digest, object: StoredObject): Promise<boolean> {
    const { place, signal, pace } = this.#ports;
    const release = object.size < LARGE_BYTES ? undefined : await this.#large.acquire(signal);
    try {
      return await place.add(digest, object, async () => {
        signal.throwIfAborted();
        await pace();
        // A large object may take longer than a hold lasts.
        await this.#cut?.renew();
      });
    } finally {
      release?.();
    }
  }

  #damaged(damage: Damage): void {
    this.#damageCount++;
    if (this.#damages.length < MAX_DAMAGES) this.#damages.push(damage);
  }

  #manifest(run: {
    readonly prunes: Incarnation[];
    readonly cut: HeldCut<KnownLog>;
    readonly packs: string[];
    readonly copies: ReadonlyMap<CutLog<KnownLog>, LogCopy>;
  }): Manifest {
    const { store, secrets, version, name, now } = this.#ports;
    const { prunes, cut, packs, copies } = run;
    const repositories: Manifest['repositories'] = [];
    const logs: Manifest['logs'] = {};
    for (const each of cut.logs) {
      const copy = copies.get(each);
      if (copy === undefined) throw new Error('a log of the cut was not copied');
      if (each.log.kind === 'repository') repositories.push([each.log.repo, copy]);
      else logs[each.log.kind] = copy;
    }
    const times = { began: isoOf(this.#began), moment: isoOf(cut.moment), ended: isoOf(now()) };
    return {
      v: 1,
      id: this.#id,
      name,
      store,
      secrets,
      version,
      ...times,
      prunes,
      packs,
      repositories,
      logs,
      added: this.#added,
    };
  }
}

function describeCut({ logs, moment }: HeldCut<KnownLog>): NonNullable<RunReport['cut']> {
  const note = logs.find(({ log }) => log.kind === 'notes')?.seq ?? 0;
  return { moment, note, repositories: logs.filter(({ log }) => log.kind === 'repository').length };
}

/** What a backup is, for people. */
export function reportOf(manifest: Manifest): BackupReport {
  const { id, name, moment, repositories, added, began, ended } = manifest;
  let slots = 0;
  for (const [, { seq }] of logsOf(manifest)) slots += seq;
  const seconds = (Date.parse(ended) - Date.parse(began)) / 1000;
  return { id, name, moment, repositories: repositories.length, slots, added, seconds };
}

function isoOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function missingPack(index: number): never {
  throw new BackupRefused(`the last backup here is damaged: it names pack ${index}, which it does not list`);
}
