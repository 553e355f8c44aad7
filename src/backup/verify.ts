import { forEachConcurrently } from '../collection/concurrently.ts';
import { algorithmOf } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import type { Archive } from '../storage/archive.ts';
import { digestOfObject } from '../storage/digest-object.ts';
import { FingerprintSet } from '../system/fingerprint-set.ts';
import { BackupRefused } from './errors.ts';
import { blobKey } from './layout.ts';
import { type Link, Links } from './links.ts';
import { isPackRight, LogReader } from './log-reader.ts';
import { batchOf, type Log, labelOf } from './logs.ts';
import { type LogCopy, logsOf, type Manifest } from './manifest.ts';
import type { BackupName, BackupPlace } from './place.ts';

const CONCURRENCY = 4;

/** Something of a backup that is not as it was written. */
export interface Fault {
  readonly fault: 'backup-damaged' | 'pack-missing' | 'pack-damaged' | 'log-broken' | 'blob-missing' | 'blob-damaged';
  /** Names of backups: the one in which it was found first. */
  readonly backup: string;
  readonly repo?: RepositoryName;
  readonly digest?: Digest;
  readonly message: string;
}

export interface VerifyProgress {
  readonly logs: number;
  readonly of: number;
  readonly bytes: number;
}

export interface VerifyOptions {
  /** Of all blobs, the share whose bytes are read: 0 to 1. Whether they are there at the right length is checked for all. */
  readonly sample: number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly onFault: (fault: Fault) => Promise<void>;
  readonly onProgress?: (progress: VerifyProgress) => void;
  readonly signal: AbortSignal;
}

export interface VerifyReport {
  readonly backups: number;
  readonly logs: number;
  readonly packs: number;
  readonly blobs: number;
  /** Blobs that were read, and their bytes. */
  readonly read: number;
  readonly bytes: number;
  readonly faults: number;
}

/** Checks backups: their packs, the chain of each log, and all bytes that the logs link. */
export async function verify(
  place: BackupPlace,
  backups: readonly BackupName[],
  options: VerifyOptions,
): Promise<VerifyReport> {
  return await new Verification(place, options).run(backups);
}

class Verification {
  readonly #place: BackupPlace;
  readonly #archive: Archive;
  readonly #options: VerifyOptions;
  readonly #packs = new FingerprintSet();
  readonly #logs = new FingerprintSet();
  readonly #blobs = new FingerprintSet();
  readonly #counts = { backups: 0, logs: 0, packs: 0, blobs: 0, read: 0, bytes: 0, faults: 0 };
  #total = 0;

  constructor(place: BackupPlace, options: VerifyOptions) {
    this.#place = place;
    this.#archive = place.archive;
    this.#options = options;
  }

  async run(backups: readonly BackupName[]): Promise<VerifyReport> {
    // The newest one first: it has most of what the others have.
    for (const backup of [...backups].reverse()) {
      this.#options.signal.throwIfAborted();
      const manifest = await this.#manifestOf(backup);
      if (manifest !== undefined) await this.#verifyBackup(manifest);
      this.#counts.backups++;
    }
    return { ...this.#counts };
  }

  async #manifestOf(backup: BackupName): Promise<Manifest | undefined> {
    try {
      return await this.#place.read(backup);
    } catch (error) {
      if (!(error instanceof BackupRefused)) throw error;
      await this.#fault({ fault: 'backup-damaged', backup: backup.name, message: error.message });
      return undefined;
    }
  }

  async #verifyBackup(manifest: Manifest): Promise<void> {
    const backup = manifest.name;
    await forEachConcurrently(manifest.packs, CONCURRENCY, async (pack) => {
      if (!this.#packs.add(pack)) return;
      this.#counts.packs++;
      const isRight = await isPackRight(this.#archive, pack);
      if (isRight === undefined)
        await this.#fault({ fault: 'pack-missing', backup, message: `the pack ${pack} is missing` });
      else if (!isRight)
        await this.#fault({
          fault: 'pack-damaged',
          backup,
          message: `the pack ${pack} has other bytes than its name says`,
        });
    });
    const logs = [...logsOf(manifest)].filter(([log, { hash }]) => this.#logs.add(`${labelOf(log)} ${hash}`));
    this.#total += logs.length;
    const reader = new LogReader(this.#archive, manifest);
    await forEachConcurrently(logs, CONCURRENCY, async ([log, copy]) => {
      await this.#verifyLog(backup, log, copy, reader);
      this.#counts.logs++;
      const { logs: done, bytes } = this.#counts;
      this.#options.onProgress?.({ logs: done, of: this.#total, bytes });
    });
  }

  async #verifyLog(backup: string, log: Log, copy: LogCopy, reader: LogReader): Promise<void> {
    const links = new Links();
    try {
      for await (const { seq, bytes } of reader.slots(log, copy)) {
        if (log.kind !== 'repository') continue;
        links.apply(batchOf(log, seq, bytes).events);
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
      const repo = log.kind === 'repository' ? { repo: log.repo } : {};
      await this.#fault({ fault: 'log-broken', backup, ...repo, message: error.message });
      return;
    }
    if (log.kind !== 'repository') return;
    for (const link of links) {
      this.#options.signal.throwIfAborted();
      if (this.#blobs.add(link.digest)) await this.#verifyBlob(backup, log.repo, link);
    }
  }

  async #verifyBlob(backup: string, repo: RepositoryName, { digest, size }: Link): Promise<void> {
    const { sample, random } = this.#options;
    this.#counts.blobs++;
    const key = blobKey(digest);
    const found = await this.#archive.head(key);
    const fault = { backup, repo, digest };
    if (found === undefined)
      return await this.#fault({ ...fault, fault: 'blob-missing', message: 'its bytes are missing' });
    if (found.size !== size) {
      const message = `it has ${found.size} bytes, ${size} are expected`;
      return await this.#fault({ ...fault, fault: 'blob-damaged', message });
    }
    if (sample < 1 && random() >= sample) return;
    this.#counts.read++;
    const actual = await digestOfObject(this.#archive, key, algorithmOf(digest), (count) => {
      this.#counts.bytes += count;
    });
    if (actual !== digest)
      await this.#fault({
        ...fault,
        fault: 'blob-damaged',
        message: `its bytes have the digest ${actual ?? 'of nothing'}`,
      });
  }

  async #fault(fault: Fault): Promise<void> {
    this.#counts.faults++;
    await this.#options.onFault(fault);
  }
}

function isDamage(error: unknown): error is RegistryError | BackupRefused {
  return error instanceof BackupRefused || (error instanceof RegistryError && error.kind === 'log-broken');
}
