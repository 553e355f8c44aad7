import { join } from 'node:path';
import { SETTINGS } from '../../src/config.ts';
import { freePort, type Place } from '../place.ts';
import { digestOf, type Manifest, putManifest } from '../registry.ts';
import { type Registry, ready, type TlsFiles } from './peer.ts';

export const PROJECT = join(import.meta.dir, '..', '..');
const TAGS_PER_REQUEST = 100;
/** As the scripts of package.json set it. */
export const POOL = { UV_THREADPOOL_SIZE: SETTINGS.ioThreads.fallback };

interface MarinaOptions {
  flags?: string[];
  cluster?: Record<string, string>;
  tls?: TlsFiles;
  /** Further settings. */
  more?: Readonly<Record<string, string>>;
  /** Before the command, such as `nice -n 19`. */
  through?: readonly string[];
}

/**
 * Starts Marina like `npm start`, with all settings at their defaults except `more`. Its access log is written to a file on the same disk.
 * @param data its data folder; if `cluster` has a bucket and Redis, the folder of that bucket
 */
export async function startMarina(
  place: Place,
  data: string,
  log: string,
  { flags = [], cluster, tls, more, through = [] }: MarinaOptions = {},
): Promise<Registry> {
  const secured = tls === undefined ? {} : { TLS_CERT_FILE: tls.cert, TLS_KEY_FILE: tls.key };
  const settings = { ...(cluster ?? { STORAGE_PATH: data }), ...secured, ...more };
  const { address, child } = launchMarina(place, log, settings, flags, through);
  await ready(child, `${tls === undefined ? 'http' : 'https'}://${address}/v2/`, log);
  return {
    address,
    data,
    child,
    plantTags: (repository, tags, manifest) => plantTags(address, repository, tags, manifest),
  };
}

export function launchMarina(
  place: Place,
  log: string,
  settings: Record<string, string>,
  flags: string[] = [],
  through: readonly string[] = [],
) {
  const port = freePort();
  const child = place.spawn(
    [...through, process.execPath, ...flags, 'src/main.ts'],
    // Each node of a cluster has a blob cache: next to its log, not in the working directory.
    {
      ...{ PORT: String(port), HOST: '127.0.0.1', BLOB_CACHE_PATH: log.replace(/\.log$/, '-cache'), ...POOL },
      ...settings,
    },
    log,
    PROJECT,
  );
  return { address: `127.0.0.1:${port}`, child };
}

/** Starts a worker of the cluster like `npm run worker`. */
export function launchWorker(place: Place, log: string, settings: Record<string, string>) {
  return place.spawn([process.execPath, 'workers/all.ts'], { ...POOL, ...settings }, log, PROJECT);
}

async function plantTags(address: string, repository: string, tags: readonly string[], manifest: Manifest) {
  for (let at = 0; at < tags.length; at += TAGS_PER_REQUEST) {
    const query = tags.slice(at, at + TAGS_PER_REQUEST).map((tag) => `tag=${tag}`);
    await putManifest(address, repository, `${digestOf(manifest.bytes)}?${query.join('&')}`, manifest);
  }
}
