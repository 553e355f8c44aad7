import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, type Place } from '../place.ts';
import { digestOf, putManifest } from '../registry.ts';
import { type Registry, ready } from './peer.ts';

/** Starts distribution with the filesystem driver and its usual cache; its access log goes to a file, as Marina's does. */
export async function startDistribution(place: Place, binary: string, data: string, log: string): Promise<Registry> {
  const address = `127.0.0.1:${freePort()}`;
  const config = `${log}.yml`;
  writeFileSync(config, configuration(address, data));
  const child = place.spawn(
    [binary, 'serve', config],
    // There is no trace collector here; without this it would try to reach one all the time.
    { OTEL_TRACES_EXPORTER: 'none' },
    log,
  );
  await ready(child, `http://${address}/v2/`, log);
  return {
    address,
    data,
    child,
    plantTags: async (repository, tags, manifest) => {
      const [model, ...others] = tags;
      if (model !== undefined) {
        await putManifest(address, repository, model, manifest);
        copyTag(data, repository, model, others, digestOf(manifest.bytes));
      }
    },
  };
}

function configuration(address: string, data: string): string {
  return `version: 0.1
log:
  level: error
storage:
  cache:
    blobdescriptor: inmemory
  delete:
    enabled: true
  filesystem:
    rootdirectory: ${data}
http:
  addr: ${address}
  secret: a-fixed-secret-for-one-run
`;
}

/** Pushing 100,000 tags takes distribution many minutes; the files that one push wrote are copied for the other tags. */
function copyTag(data: string, repository: string, model: string, tags: readonly string[], digest: string): void {
  const folder = join(data, 'docker/registry/v2/repositories', repository, '_manifests/tags');
  const index = join('index', digest.replace(':', '/'));
  for (const tag of tags) {
    for (const part of ['current', index]) {
      mkdirSync(join(folder, tag, part), { recursive: true });
      copyFileSync(join(folder, model, part, 'link'), join(folder, tag, part, 'link'));
    }
  }
}
