import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, type Place } from '../place.ts';
import { digestOf, putManifest } from '../registry.ts';
import { type Registry, ready, type TlsFiles } from './peer.ts';
import type { Services } from './services.ts';

/** The storage section of distribution's configuration. */
export interface DistributionStorage {
  storage: string;
  /** Further top-level sections. */
  sections: string;
  /** The path on disk of a file below distribution's folder `docker`. */
  copyLink: (from: string, to: string) => void;
}

export function onFilesystem(data: string): DistributionStorage {
  return {
    storage: `  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: ${data}
`,
    sections: '',
    copyLink: copyFileSync,
  };
}

/** The S3 driver with the cache in Redis, as several nodes of distribution are usually run. */
export function onServices({ minioAddress, redisAddress, credentials }: Services, bucket: string): DistributionStorage {
  return {
    storage: `  cache:
    blobdescriptor: redis
  # A redirect would measure MinIO alone.
  redirect:
    disable: true
  s3:
    region: us-east-1
    regionendpoint: http://${minioAddress}
    forcepathstyle: true
    secure: false
    bucket: ${bucket}
    accesskey: ${credentials.user}
    secretkey: ${credentials.password}
`,
    sections: `redis:
  addrs: [${redisAddress}]
  db: 1
`,
    // MinIO keeps a small object in one file, in a folder of the object's name.
    copyLink: (from, to) => {
      mkdirSync(to);
      copyFileSync(join(from, 'xl.meta'), join(to, 'xl.meta'));
    },
  };
}

/**
 * Starts distribution with its usual cache. Its access log is written to a file, like Marina's.
 * @param data the folder of its data
 */
export async function startDistribution(
  place: Place,
  binary: string,
  data: string,
  log: string,
  where = onFilesystem(data),
  tls?: TlsFiles,
): Promise<Registry> {
  const address = `127.0.0.1:${freePort()}`;
  const config = `${log}.yml`;
  writeFileSync(config, configuration(address, where, tls));
  const child = place.spawn(
    [binary, 'serve', config],
    // There is no trace collector. With the default, distribution would keep trying to reach one.
    { OTEL_TRACES_EXPORTER: 'none' },
    log,
  );
  await ready(child, `${tls === undefined ? 'http' : 'https'}://${address}/v2/`, log);
  return {
    address,
    data,
    child,
    plantTags: async (repository, tags, manifest) => {
      const [model, ...others] = tags;
      if (model !== undefined) {
        await putManifest(address, repository, model, manifest);
        copyTag(data, repository, model, others, digestOf(manifest.bytes), where.copyLink);
      }
    },
  };
}

function configuration(address: string, { storage, sections }: DistributionStorage, tls?: TlsFiles): string {
  const secured = tls === undefined ? '' : `  tls:\n    certificate: ${tls.cert}\n    key: ${tls.key}\n`;
  return `version: 0.1
log:
  level: error
storage:
  delete:
    enabled: true
${storage}http:
  addr: ${address}
  secret: a-fixed-secret-for-one-run
${secured}${sections}`;
}

/** Copies the files of one pushed tag for another tag, because pushing 100,000 tags to distribution takes many minutes. */
function copyTag(
  data: string,
  repository: string,
  model: string,
  tags: readonly string[],
  digest: string,
  copyLink: DistributionStorage['copyLink'],
): void {
  const folder = join(data, 'docker/registry/v2/repositories', repository, '_manifests/tags');
  const index = join('index', digest.replace(':', '/'));
  for (const tag of tags) {
    for (const part of ['current', index]) {
      mkdirSync(join(folder, tag, part), { recursive: true });
      copyLink(join(folder, model, part, 'link'), join(folder, tag, part, 'link'));
    }
  }
}
