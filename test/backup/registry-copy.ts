// What clients and operators see of a registry, to compare it with a restored one.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expectStatus } from '../support/oci.ts';

interface Listed {
  readonly tags: readonly string[] | null;
}

/** Everything of some repositories: tags with digests, referrers, all bytes, and every value that each tag ever had. */
export async function everythingOf(
  url: string,
  dataPath: string,
  repositories: readonly string[],
  headers: Readonly<Record<string, string>> = {},
): Promise<Record<string, unknown>> {
  const everything: Record<string, unknown> = {};
  const get = async (path: string) =>
    await expectStatus(200, `${url}/v2/${path}`, { headers: { ...ACCEPT, ...headers } });
  for (const repo of repositories) {
    const { tags } = JSON.parse(text((await get(`${repo}/tags/list`)).bytes)) as Listed;
    for (const tag of tags ?? []) {
      const { bytes, headers: answered } = await get(`${repo}/manifests/${tag}`);
      const digest = answered.get('docker-content-digest');
      everything[`${repo}:${tag}`] = [digest, text(bytes)];
      everything[`${repo}:${tag} referrers`] = text((await get(`${repo}/referrers/${digest}`)).bytes);
      for (const blob of blobsOf(text(bytes)))
        everything[`${repo}@${blob}`] = Bun.hash((await get(`${repo}/blobs/${blob}`)).bytes);
    }
    // What `marina history` and `marina log` show is a function of the slots.
    const log = join(dataPath, 'repos', repo, '_log');
    for (const slot of readdirSync(log)) everything[`${repo} slot ${slot}`] = readFileSync(join(log, slot), 'utf8');
  }
  return everything;
}

const ACCEPT = {
  accept: 'application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json',
};

function blobsOf(manifest: string): string[] {
  const { config, layers = [] } = JSON.parse(manifest) as {
    readonly config?: { readonly digest: string };
    readonly layers?: readonly { readonly digest: string }[];
  };
  return [...(config === undefined ? [] : [config.digest]), ...layers.map(({ digest }) => digest)];
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
