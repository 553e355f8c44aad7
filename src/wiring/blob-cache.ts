import type { Config } from '../config.ts';
import type { Incarnation } from '../oci/names.ts';
import type { LinkedBlob } from '../registry/ports.ts';
import { BlobCache } from '../storage/blob-cache/cache.ts';
import { type BlobCopies, openBlob } from '../storage/blob-cache/copies.ts';
import { WrongBytes } from '../storage/blob-cache/fetch-verified.ts';
import { CacheFolder } from '../storage/blob-cache/folder.ts';
import type { StoredObject } from '../storage/driver.ts';
import { dataKey } from '../storage/paths.ts';
import { within } from '../system/within.ts';
import type { Logs } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { offer, remote } from '../threads/calls.ts';
import type { Thread } from '../threads/thread.ts';
import { repeat } from './basics.ts';
import type { OpenedStore } from './store.ts';

/** Interval between checks that the disk still has enough free space. */
const TRIM_EVERY_MS = 30_000;
/** How long a thread waits for the one that keeps the copies, before it reads from the store. */
const FIND_WITHIN_MS = 100;

/** Where this node reads the bytes of large blobs. */
export interface BlobSource {
  readonly open: (blob: LinkedBlob, signal?: AbortSignal) => Promise<StoredObject | undefined>;
  readonly close: () => Promise<void>;
}

interface SourcePorts {
  readonly config: Config;
  readonly opened: Pick<OpenedStore, 'driver'>;
  readonly newId: () => Incarnation;
  readonly logs: Logs;
  readonly telemetry: Telemetry;
  readonly thread: Thread;
}

/** Opens the store as the source; for a bucket with a cache on this node's disk, unless clients are redirected to the bucket. */
export function openBlobSource(ports: SourcePorts): BlobSource {
  const { config, opened, thread } = ports;
  const { driver } = opened;
  const isWanted = config.storageDriver === 's3' && !config.s3Redirect && config.blobCacheSize > 0;
  if (!isWanted) return { open: ({ inc }, signal) => driver.open(dataKey(inc), signal), close: async () => {} };
  if (thread.kind !== 'other') {
    const { copies, close } = openCopies(ports);
    const others = thread.kind === 'owner' ? thread.others : [];
    for (const { services } of others) offer<BlobCopies>(services.blobs, copies);
    return { open: (blob, signal) => openBlob(blob, { copies, driver }, signal), close };
  }
  const owner = remote<BlobCopies>(thread.services.blobs, ['find', 'pullBegan', 'pullEnded']);
  const copies: BlobCopies = {
    find: (blob) => within(FIND_WITHIN_MS, owner.find(blob)),
    pullBegan: (blob) => owner.pullBegan(blob),
    pullEnded: (blob) => owner.pullEnded(blob),
  };
  return { open: (blob, signal) => openBlob(blob, { copies, driver }, signal), close: async () => {} };
}

interface OpenedCopies {
  readonly copies: BlobCopies;
  readonly close: () => Promise<void>;
}

const NO_COPIES: OpenedCopies = {
  copies: { find: async () => undefined, pullBegan: async () => {}, pullEnded: async () => {} },
  close: async () => {},
};

/** @returns none if the cache cannot be opened. A node works without it, so this is only logged, in one line. */
function openCopies(ports: SourcePorts): OpenedCopies {
  const { config, logs, telemetry } = ports;
  let folder: CacheFolder | undefined;
  let cache: BlobCache;
  try {
    folder = CacheFolder.open(config.blobCachePath);
    cache = cacheIn(folder, ports);
  } catch (error) {
    folder?.close();
    const reason = error instanceof Error ? error.message : String(error);
    logs.logger.warn(
      `blobs are not cached on this node: ${reason}; set BLOB_CACHE_PATH to a folder that only this node uses, or BLOB_CACHE_SIZE=0`,
    );
    return NO_COPIES;
  }
  telemetry.blobCache.observe(() => cache.bytes);
  const stopTrimming = repeat(TRIM_EVERY_MS, async () => {
    try {
      cache.trim();
    } catch (error) {
      logs.logger.warn({ err: error }, 'the blob cache could not free disk space');
    }
  });
  return {
    copies: cache,
    close: async () => {
      stopTrimming();
      await cache.close();
    },
  };
}

function cacheIn(folder: CacheFolder, { config, opened, newId, logs, telemetry }: SourcePorts): BlobCache {
  return new BlobCache({
    folder,
    newId,
    driver: opened.driver,
    limit: config.blobCacheSize,
    now: () => performance.now(),
    observer: {
      requested: (outcome) => telemetry.blobCache.requested(outcome),
      filled: (outcome) => telemetry.blobCache.filled(outcome),
      evicted: () => telemetry.blobCache.evicted(),
      failed: ({ digest, inc }, error) => {
        const about = { digest, inc, err: error };
        if (error instanceof WrongBytes)
          logs.logger.error(about, 'a stored blob is damaged: run fsck --scrub --repair');
        else logs.logger.warn(about, 'a blob could not be copied to this node; it is served from the store');
      },
    },
  });
}
