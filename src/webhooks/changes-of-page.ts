import type { Change } from '../feed/change.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';

/** What the log says of a manifest. */
export interface ManifestFacts {
  readonly mediaType: string;
  readonly size: number;
}

/** Looks a manifest up in its repository as it is now; undefined if it has been deleted. */
export type DescribeManifest = (repo: RepositoryName, digest: Digest) => Promise<ManifestFacts | undefined>;

/**
 * Adds the media type and the size of its manifest to each `tag.set`: receivers of a push want to know them. Mostly the manifest was put
 * by the same slot; if an existing one got another tag, it is looked up.
 */
export async function withManifests(
  changes: readonly Change[],
  describe: DescribeManifest,
): Promise<readonly Change[]> {
  const known = new Map<string, ManifestFacts | undefined>();
  const described: Change[] = [];
  for (const change of changes) {
    const { type, repository, digest, mediaType, size } = change;
    const key = `${repository}@${digest}`;
    if (type === 'manifest.put' && mediaType !== undefined && size !== undefined) known.set(key, { mediaType, size });
    if (type !== 'tag.set' || digest === undefined) {
      described.push(change);
      continue;
    }
    if (!known.has(key)) known.set(key, await describe(repository, digest));
    described.push({ ...change, ...known.get(key) });
  }
  return described;
}
