import type { Caller } from '../../access/access.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Digest, RepositoryName } from '../../oci/names.ts';
import type { ReadManifest } from './content-reader.ts';
import { readBlob } from './read-blob.ts';
import type { Sources } from './sources.ts';

/** What a manifest says of itself in annotations or labels, or what was attached to it. Texts are those of strangers. */
export interface About {
  readonly title: string | undefined;
  readonly description: string | undefined;
  /** Markdown. */
  readonly readme: string | undefined;
  readonly source: string | undefined;
  readonly homepage: string | undefined;
  readonly licenses: string | undefined;
  readonly version: string | undefined;
  readonly revision: string | undefined;
}

const PREFIX = 'org.opencontainers.image.';
const README = 'dev.marina.readme';
const MARKDOWN = 'text/markdown';
/** Characters of a README that are shown. */
const MAX_README = 200_000;
const NO_ABOUT: About = {
  ...{ title: undefined, description: undefined, readme: undefined, source: undefined },
  ...{ homepage: undefined, licenses: undefined, version: undefined, revision: undefined },
};

/** @param digest of the manifest that speaks for the repository; undefined: there is none */
export async function loadAbout(
  repo: RepositoryName,
  digest: Digest | undefined,
  caller: Caller,
  sources: Pick<Sources, 'registry' | 'contents'>,
): Promise<About> {
  if (digest === undefined) return NO_ABOUT;
  try {
    const manifest = await sources.contents.manifest(repo, { kind: 'digest', digest }, caller);
    return await aboutManifest(repo, manifest, caller, sources);
  } catch (error) {
    // It may be deleted at any time.
    if (error instanceof RegistryError && error.kind === 'manifest-unknown') return NO_ABOUT;
    throw error;
  }
}

export async function aboutManifest(
  repo: RepositoryName,
  manifest: ReadManifest,
  caller: Caller,
  sources: Pick<Sources, 'registry' | 'contents'>,
): Promise<About> {
  const { contents } = sources;
  const labels = await labelsOf(repo, manifest, caller, contents);
  const text = (name: string): string | undefined =>
    (manifest.model.annotations.get(name) ?? labels.get(name))?.trim() || undefined;
  const documentation = text(`${PREFIX}documentation`);
  // The annotation may be the address of the documentation instead.
  const inline = documentation !== undefined && !URL.canParse(documentation) ? documentation : undefined;
  const readme = text(README) ?? inline ?? (await attachedReadme(repo, manifest.digest, caller, sources));
  return {
    title: text(`${PREFIX}title`),
    description: text(`${PREFIX}description`),
    readme: readme?.slice(0, MAX_README).toWellFormed(),
    source: text(`${PREFIX}source`),
    homepage: text(`${PREFIX}url`) ?? (inline === undefined ? documentation : undefined),
    licenses: text(`${PREFIX}licenses`),
    version: text(`${PREFIX}version`),
    revision: text(`${PREFIX}revision`),
  };
}

/** The labels of an image, or of the first image of an index. */
async function labelsOf(
  repo: RepositoryName,
  manifest: ReadManifest,
  caller: Caller,
  contents: Sources['contents'],
): Promise<ReadonlyMap<string, string>> {
  const first = manifest.model.children.find(({ platform }) => platform !== undefined);
  try {
    const image =
      first === undefined ? manifest : await contents.manifest(repo, { kind: 'digest', digest: first.digest }, caller);
    return (await contents.imageConfig(repo, image, caller))?.labels ?? new Map();
  } catch (error) {
    // An index may name images that the repository does not have.
    if (error instanceof RegistryError && error.kind === 'manifest-unknown') return new Map();
    throw error;
  }
}

/** A README that was pushed as an artifact with this manifest as its subject. */
async function attachedReadme(
  repo: RepositoryName,
  subject: Digest,
  caller: Caller,
  { registry, contents }: Pick<Sources, 'registry' | 'contents'>,
): Promise<string | undefined> {
  const request = { artifactType: MARKDOWN, after: undefined, fits: () => true };
  const { items } = await registry.referrers(repo, subject, request, caller);
  const digest = items[0]?.digest;
  if (digest === undefined) return undefined;
  const { model } = await contents.manifest(repo, { kind: 'digest', digest }, caller);
  const layer = model.layers.find(({ size }) => size > 0);
  if (layer === undefined) return undefined;
  try {
    const read = await readBlob(registry, repo, layer.digest, caller);
    return read.kind === 'bytes' ? new TextDecoder().decode(read.bytes) : undefined;
  } catch (error) {
    if (error instanceof RegistryError && error.kind === 'blob-unknown') return undefined;
    throw error;
  }
}
