import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { ImageArchive } from '../archive/image-archive.ts';
import { createPacer } from '../collection/pace.ts';
import type { Config } from '../config.ts';
import { ControlClient } from '../control/client.ts';
import type { RunImport } from '../control/imports.ts';
import { importAll, showImport } from '../importing/importing.ts';
import type { ImportPorts } from '../importing/ports.ts';
import type { ImportReport, ImportRequest } from '../importing/report.ts';
import type { ImportSource } from '../importing/source.ts';
import type { Listeners } from '../importing/tally.ts';
import { DistributionTree } from '../importing/tree.ts';
import { RegistryError, unreachable } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import { PastNames } from '../past/past-names.ts';
import type { Projection } from '../projection/projection.ts';
import type { StoreReader } from '../storage/driver.ts';
import { ForeignFolder } from '../storage/filesystem/foreign-folder.ts';
import type { ForeignStore } from '../storage/foreign.ts';
import { StoreRefused } from '../storage/prepare.ts';
import { ForeignBucket } from '../storage/s3/foreign-bucket.ts';
import { readSettings } from '../storage/s3/open.ts';
import { idFactory, operatorLabel, sleep } from './basics.ts';
import { requireWritableStore } from './read-only.ts';
import type { OpenedStore } from './store.ts';
import { requireStoreOwner } from './store-owner.ts';
import { openAlone, openShared } from './writable.ts';

/** How long an import in a process that serves requests may run, and how long it then rests, in milliseconds. */
const BESIDE_REQUESTS = { busy: 2, rest: 1 };

const BUCKET = /^s3:\/\/(?<bucket>[^/]+)(?:\/(?<prefix>.*))?$/;

export interface ImportWiring extends Pick<ImportPorts, 'newIncarnation'> {
  readonly config: Config;
  readonly opened: OpenedStore;
  readonly projection: Projection;
  /** Whether the process also serves requests. */
  readonly serves: boolean;
}

/** Runs imports into one store, at most one at a time. */
export interface Imports {
  readonly run: RunImport;
  readonly stop: () => Promise<void>;
}

export function wireImports({ config, opened, projection, newIncarnation, serves }: ImportWiring): Imports {
  const { driver, store } = opened;
  const stopping = new AbortController();
  let running: Promise<unknown> | undefined;
  const rest = (): Promise<void> => sleep(BESIDE_REQUESTS.rest);
  const pace = createPacer({ now: () => performance.now(), rest, busy: BESIDE_REQUESTS.busy });
  const ports: ImportPorts = {
    driver,
    store,
    actor: operatorLabel(),
    projection,
    newIncarnation,
    now: Date.now,
    grace: config.gcGrace,
    isReserved: isReservedBy(config),
    yieldToRequests: serves ? pace : async () => {},
  };
  const begin = async (request: ImportRequest, listeners: Listeners, signal: AbortSignal): Promise<ImportReport> => {
    const target = driver.kind === 'filesystem' ? opened.place : undefined;
    const source = await openSource(config, request, target);
    try {
      return await importAll({ ...request, source, listeners, signal }, ports);
    } finally {
      await source.close();
    }
  };
  return {
    run: async (request, listeners, signal) => {
      if (running !== undefined)
        throw new RegistryError('unavailable', 'another import is running: wait until it ends');
      const one = begin(request, listeners, AbortSignal.any([signal, stopping.signal]));
      running = one;
      try {
        return await one;
      } finally {
        running = undefined;
      }
    },
    stop: async () => {
      stopping.abort();
      // The caller of `run` gets the outcome, so it is ignored here.
      await Promise.allSettled([running]);
    },
  };
}

function isReservedBy({ pastPrefix }: Config): (name: RepositoryName) => boolean {
  const names = new PastNames(pastPrefix);
  return (name) => names.isReserved(name);
}

/**
 * @param target our data folder; undefined if our store is a bucket, or nothing is written
 * @throws RegistryError `request-invalid`, in one line
 */
async function openSource(config: Config, request: ImportRequest, target: string | undefined): Promise<ImportSource> {
  const { source, format, repository } = request;
  switch (format) {
    case 'archive':
      return await ImageArchive.open(resolve(source), repository);
    case 'distribution': {
      const store = openStoreOf(config, source, target);
      try {
        return await DistributionTree.open(store);
      } catch (error) {
        await store.close();
        throw error;
      }
    }
    default:
      return unreachable(format);
  }
}

function openStoreOf(config: Config, source: string, target: string | undefined): ForeignStore {
  const { bucket, prefix } = BUCKET.exec(source)?.groups ?? {};
  if (bucket === undefined) {
    const path = resolve(source);
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return new ForeignFolder(path, target);
    throw new RegistryError('request-invalid', `${path} is no folder: give the one that contains docker/registry/v2`);
  }
  try {
    const settings = readSettings({ ...config, s3Bucket: bucket, s3Prefix: prefix });
    const own = config.storageDriver === 's3' && config.s3Bucket !== undefined ? config.s3Bucket : undefined;
    const copyTarget = own === undefined ? undefined : { bucket: own, prefix: config.s3Prefix };
    return new ForeignBucket(settings, copyTarget, {
      now: Date.now,
      sleep,
      random: Math.random,
      newId: idFactory(),
      onRequest: () => {},
    });
  } catch (error) {
    if (!(error instanceof StoreRefused)) throw error;
    throw new RegistryError('request-invalid', error.message);
  }
}

/** Imports a registry for an operator's command, through the running server or in this process. */
export interface Importer {
  readonly run: (request: ImportRequest, listeners: Listeners) => Promise<ImportReport>;
  readonly close: () => Promise<void>;
}

/** Opens the store for an import. @throws RegistryError `read-only`, `writes-paused`; StoreRefused, RedisRefused in one line */
export async function openImporter(config: Config): Promise<Importer> {
  const { redisUrl } = config;
  const place = resolve(config.storagePath);
  const isFolder = config.storageDriver === 'filesystem';
  requireStoreOwner(config);
  const server = redisUrl === undefined && isFolder ? await ControlClient.connect(place) : undefined;
  if (server !== undefined) {
    return { run: (request, listeners) => server.importTree(request, listeners), close: async () => {} };
  }
  const writable = redisUrl === undefined ? await openAlone(config) : await openShared(config, redisUrl);
  const { opened, projection, newId, close } = writable;
  try {
    await requireWritableStore(config, opened.driver);
  } catch (error) {
    await close();
    throw error;
  }
  const imports = wireImports({ config, opened, projection, newIncarnation: newId, serves: false });
  return { run: (request, listeners) => imports.run(request, listeners, new AbortController().signal), close };
}

/**
 * Shows what an import would do. Writes nothing.
 * @param reader of our store; undefined if it does not exist yet
 */
export async function previewImport(
  config: Config,
  reader: StoreReader | undefined,
  request: ImportRequest,
  listeners: Listeners,
): Promise<ImportReport> {
  const isFolder = reader !== undefined && config.storageDriver === 'filesystem';
  const source = await openSource(config, request, isFolder ? resolve(config.storagePath) : undefined);
  try {
    const { signal } = new AbortController();
    return await showImport({
      ...request,
      source,
      listeners,
      signal,
      reader,
      now: Date.now,
      isReserved: isReservedBy(config),
    });
  } finally {
    await source.close();
  }
}
