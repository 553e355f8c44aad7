import type { Config } from '../config.ts';
import type { Incarnation } from '../oci/names.ts';
import type { LinkedBlob } from '../registry/ports.ts';
import { BlobCache } from '../storage/blob-cache/cache.ts';
import { WrongBytes } from '../storage/blob-cache/fetch-verified.ts';
import { CacheFolder } from '../storage/blob-cache/folder.ts';
import type { StoredObject } from '../storage/driver.ts';
import { dataKey } from '../storage/paths.ts';
import type { Logs } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { repeat } from './basics.ts';
import type { OpenedStore } from './store.ts';

/** Interval between checks that the disk still has enough free space. */
const TRIM_EVERY_MS = 30_000;

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
}

/** Opens the store as the source; for a bucket with a cache on this node's disk, unless clients are redirected to the bucket. */
export function openBlobSource(ports: SourcePorts): BlobSource {
  const { config, opened } = ports;
  const isWanted = config.storageDriver === 's3' && !config.s3Redirect && config.blobCacheSize > 0;
  const cache = isWanted ? openCache(ports) : undefined;
  return (
    cache ?? { open: ({ inc }, signal) => opened.driver.open(dataKey(inc), signal), close: () => Promise.resolve() }
  );
}

/** @returns undefined if the cache cannot be opened. A node works without it, so this is only logged, in one line. */
function openCache(ports: SourcePorts): BlobSource | undefined {
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
    return undefined;
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
    open: (blob, signal) => cache.open(blob, signal),
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
          logs.logger.error(about, 'a stored blob is damaged: push it again, and run fsck');
        else logs.logger.warn(about, 'a blob could not be copied to this node; it is served from the store');
      },
    },
  });
}
