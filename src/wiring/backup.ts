import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import type { BackupDesk } from '../backup/desk.ts';
import { BackupRefused } from '../backup/errors.ts';
import { backupRuns } from '../backup/run-reports.ts';
import { removeHold, renewHold } from '../collection/holds.ts';
import type { Config } from '../config.ts';
import { ControlClient } from '../control/client.ts';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import { readSwitch } from '../registry/write-switch.ts';
import type { Archive } from '../storage/archive.ts';
import type { ObjectStore } from '../storage/driver.ts';
import { FolderArchive } from '../storage/filesystem/folder-archive.ts';
import { StoreInUse } from '../storage/prepare.ts';
import type { S3Ports } from '../storage/s3/settings.ts';
import { keepToOneProcessor, takeLowestPriority } from '../system/give-way.ts';
import { within } from '../system/within.ts';
import { idFactory, sleep } from './basics.ts';
import type { OpenedStore } from './store.ts';
import { requireStoreOwner } from './store-owner.ts';

type WritingDesk = Pick<BackupDesk, 'hold' | 'release' | 'report'>;

/** How long a server may take from holding its folder to listening to commands, in milliseconds. */
const STARTED_WITHIN_MS = 15_000;
const POLL_MS = 200;

/** Refusals of a store that collects nothing. A replica only deletes what its source has not linked for GC_GRACE. */
const NOTHING_WRITTEN: ReadonlySet<ErrorKind> = new Set(['read-only', 'writes-paused', 'replica', 'elsewhere']);

/** A server that does not say within this many milliseconds how many requests it has had. */
const COUNTED_WITHIN_MS = 1_000;

const BUCKET = /^s3:\/\/(?<bucket>[^/]+)(?:\/(?<prefix>.*))?$/;

/**
 * Opens a folder or `s3://bucket/prefix` for backups, or for a store that is to be restored. A bucket is reached with the settings
 * of S3_….
 * @param access `beside`: to be written, and must not overlap with the configured store
 * @throws StoreRefused, BackupRefused in one line
 */
export async function openArchive(text: string, config: Config, access: 'read' | 'write' | 'beside'): Promise<Archive> {
  const { bucket, prefix } = BUCKET.exec(text)?.groups ?? {};
  if (bucket !== undefined) {
    const address = `${bucket}/${trimmed(prefix)}`;
    const store = `${config.s3Bucket ?? ''}/${trimmed(config.s3Prefix)}`;
    if (access === 'beside' && config.storageDriver === 's3' && overlap(address, store, '/'))
      throw new BackupRefused(`${text} overlaps with the registry's own store: give another prefix or bucket`);
    const { openBucketArchive } = await import('../storage/s3/open.ts');
    return await openBucketArchive({ ...config, s3Bucket: bucket, s3Prefix: prefix }, s3Ports());
  }
  if (text.includes('://')) throw new BackupRefused(`${text}: a folder or s3://bucket/prefix is expected`);
  const root = resolve(text);
  if (access === 'beside' && config.storageDriver === 'filesystem') {
    if (overlap(realPath(root), realPath(resolve(config.storagePath)), sep))
      throw new BackupRefused(`${root} overlaps with the registry's own data folder: give another folder`);
  }
  return FolderArchive.open({ root, writable: access !== 'read', uniqueName: idFactory() });
}

function trimmed(prefix = ''): string {
  return prefix.replace(/^\/+|\/+$/g, '');
}

function overlap(one: string, other: string, separator: string): boolean {
  const [a, b] = [one, other].map((each) => (each.endsWith(separator) ? each : each + separator));
  return a !== undefined && b !== undefined && (a.startsWith(b) || b.startsWith(a));
}

/** With links resolved as far as the path exists. */
function realPath(path: string): string {
  return existsSync(path) || path === dirname(path)
    ? realpathSync(path)
    : join(realPath(dirname(path)), path.slice(dirname(path).length));
}

function s3Ports(): S3Ports {
  return { now: Date.now, sleep, random: Math.random, newId: idFactory(), onRequest: () => {} };
}

/**
 * Opens what a backup needs to write to the store that it reads: its hold and its report. If a server has the folder, the server writes
 * them. If none has, this process has the folder only while it writes, so that a server can be started meanwhile.
 * @param place of the store
 * @throws StoreRefused in one line
 */
export async function openBackupDesk(config: Config, place: string): Promise<BackupDesk> {
  requireStoreOwner(config);
  // Requests come first.
  takeLowestPriority();
  const isAlone = config.redisUrl === undefined && config.storageDriver === 'filesystem';
  if (!isAlone) {
    // Nodes may be on this machine, and whether clients use them is not known here.
    keepToOneProcessor();
    const opened = await openWritable(config, true);
    return { ...directly(opened.driver), requests: async () => undefined, close: () => opened.close() };
  }
  // What a power cut took is recovered before the logs are read.
  const first = await serverOrStore(config, place);
  if (!(first instanceof ControlClient)) await first.close();
  const through = async <T>(work: (desk: WritingDesk) => Promise<T>): Promise<T> => {
    const found = await serverOrStore(config, place);
    if (found instanceof ControlClient) return await work(throughServer(found));
    try {
      return await work(directly(found.driver));
    } finally {
      await found.close();
    }
  };
  return {
    hold: (id, content) => through((desk) => desk.hold(id, content)),
    release: (id) => through((desk) => desk.release(id)),
    report: (report) => through((desk) => desk.report(report)),
    requests: countRequests(place),
    close: async () => {},
  };
}

/** Asks the server that has the folder. A backup does not fail because of its pauses, so if there is no answer, the number is not known. */
function countRequests(place: string): () => Promise<number | undefined> {
  let server: ControlClient | undefined;
  return async () => {
    try {
      server ??= await within(COUNTED_WITHIN_MS, ControlClient.connect(place));
      return await within(COUNTED_WITHIN_MS, server?.requests() ?? Promise.resolve(undefined));
    } catch {
      // It has ended, or is of another version.
      server = undefined;
      return undefined;
    }
  };
}

/** The server that has the folder; if none has, the folder, which this process has until it is closed. */
async function serverOrStore(config: Config, place: string): Promise<ControlClient | OpenedStore> {
  for (const deadline = performance.now() + STARTED_WITHIN_MS; ; await sleep(POLL_MS)) {
    const server = await ControlClient.connect(place);
    if (server !== undefined) return server;
    try {
      return await openWritable(config, false);
    } catch (error) {
      // A server that is starting holds the folder before it listens to commands.
      if (!(error instanceof StoreInUse) || performance.now() > deadline) throw error;
    }
  }
}

/** Its code is loaded only here: with a server it is not needed, and loading it takes as long as a small backup. */
async function openWritable(config: Config, isShared: boolean): Promise<OpenedStore> {
  const [{ openStore }, { silent }] = await Promise.all([import('./store.ts'), import('./writable.ts')]);
  return await openStore(config, isShared, silent());
}

function directly(driver: ObjectStore): WritingDesk {
  return {
    hold: async (id, content) => {
      if ((await readSwitch(driver)) !== undefined) return false;
      await renewHold(driver, id, content);
      return true;
    },
    release: (id) => removeHold(driver, id),
    report: async (report) => {
      if ((await readSwitch(driver)) === undefined) await backupRuns.add(driver, report.run, report);
    },
  };
}

function throughServer(server: ControlClient): WritingDesk {
  const whileWritable = async (request: Promise<void>): Promise<boolean> => {
    try {
      await request;
      return true;
    } catch (error) {
      if (error instanceof RegistryError && NOTHING_WRITTEN.has(error.kind)) return false;
      throw error;
    }
  };
  return {
    hold: (id, content) => whileWritable(server.renewHold(id, content)),
    release: async (id) => void (await whileWritable(server.release(id))),
    report: async (report) => void (await whileWritable(server.reportBackup(report))),
  };
}
