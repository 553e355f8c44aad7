import type { Caller } from '../../access/access.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';
import type { RecentChange, RepositoryOverview } from '../../past/interface.ts';
import type { Descriptor, Reference } from '../../registry/interface.ts';
import { type ArtifactKind, kindOfType } from '../models/artifact-kind.ts';
import { attachedTags } from '../models/folded-tags.ts';
import type { BuildStep, ImageConfig } from '../models/image-config.ts';
import { buildSteps } from '../models/image-config.ts';
import type { Child } from '../models/manifest-model.ts';
import type { ReadJson, ReadManifest } from './content-reader.ts';
import { type About, aboutManifest } from './load-about.ts';
import type { Sources } from './sources.ts';

export interface ManifestData {
  readonly repo: RepositoryName;
  readonly reference: Reference;
  readonly manifest: ReadManifest;
  readonly overview: RepositoryOverview;
  /** The tags that point to it. */
  readonly tags: readonly Tag[];
  /** Bytes of it and of everything that it refers to, each once; undefined if it was deleted just now. */
  readonly total: number | undefined;
  /** Of an index. */
  readonly platforms: readonly PlatformRow[];
  /** Of an image. */
  readonly config: ImageConfig | undefined;
  /** The config of something else. */
  readonly otherConfig: ReadJson;
  readonly steps: readonly BuildStep[];
  readonly about: About;
  readonly referrers: readonly ReferrerRow[];
  readonly hasMoreReferrers: boolean;
  /** Of the tag, newest first; empty for a digest. */
  readonly changes: readonly RecentChange[];
  readonly mayDelete: boolean;
  readonly mayRestore: boolean;
}

export interface PlatformRow extends Child {
  /** Bytes of the image; undefined if the repository does not have it. */
  readonly total: number | undefined;
  /** Attestations of it in the same index. */
  readonly attestations: readonly Child[];
}

export interface ReferrerRow {
  readonly digest: Digest;
  readonly kind: ArtifactKind | undefined;
  readonly type: string;
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
  /** cosign's tag that stands for it; undefined if it names its subject itself. */
  readonly tag: Tag | undefined;
}

const MAX_REFERRERS = 100;
/** Changes of the repository that are searched for those of the tag. */
const SEARCHED_CHANGES = 500;
const MAX_CHANGES = 50;

/** @throws RegistryError `manifest-unknown`, and `name-unknown` if the visitor may not see the repository, too */
export async function loadManifest(
  repo: RepositoryName,
  reference: Reference,
  caller: Caller,
  sources: Sources,
): Promise<ManifestData> {
  const { registry, history, contents, policy } = sources;
  const manifest = await contents.manifest(repo, reference, caller);
  const { digest, model } = manifest;
  const request = { artifactType: undefined, after: undefined, fits: atMost(MAX_REFERRERS) };
  const [overview, config, about, listed, changes] = await Promise.all([
    history.overview(repo, undefined, caller),
    contents.imageConfig(repo, manifest, caller),
    aboutManifest(repo, manifest, caller, sources),
    registry.referrers(repo, digest, request, caller),
    reference.kind === 'tag' ? changesOfTag(repo, reference.tag, caller, history) : [],
  ]);
  const isOther = model.config !== undefined && config === undefined && model.config.mediaType !== EMPTY;
  return {
    ...{ repo, reference, manifest, overview, config, about, changes },
    tags: overview.tagsOf(digest),
    total: overview.manifest(digest)?.total,
    platforms: platformsOf(model.children, overview),
    otherConfig:
      isOther && model.config !== undefined ? await contents.json(repo, model.config.digest, caller) : { kind: 'none' },
    steps: config === undefined ? [] : buildSteps(model.layers, config.history),
    referrers: [...listed.items.map(referrerOf), ...(await attachedByTag(repo, digest, overview, caller, contents))],
    hasMoreReferrers: listed.more,
    mayDelete: policy.allows(caller, 'delete', repo),
    mayRestore: policy.allows(caller, 'create', repo),
  };
}

/** The config of artifacts that have none. */
const EMPTY = 'application/vnd.oci.empty.v1+json';

function atMost(count: number): () => boolean {
  let left = count;
  return () => left-- > 0;
}

function platformsOf(children: readonly Child[], overview: RepositoryOverview): PlatformRow[] {
  const attestations = children.filter(({ attests }) => attests !== undefined);
  return children
    .filter(({ attests }) => attests === undefined)
    .map((child) => ({
      ...child,
      total: overview.manifest(child.digest)?.total,
      attestations: attestations.filter(({ attests }) => attests === child.digest),
    }));
}

function referrerOf({ digest, mediaType, artifactType, size, annotations = {} }: Descriptor): ReferrerRow {
  const type = artifactType ?? mediaType;
  return { digest, kind: kindOfType(type), type, size, annotations, tag: undefined };
}

/** What cosign attached by a tag, as it did before registries listed referrers. */
async function attachedByTag(
  repo: RepositoryName,
  subject: Digest,
  overview: RepositoryOverview,
  caller: Caller,
  contents: Sources['contents'],
): Promise<ReferrerRow[]> {
  const rows: ReferrerRow[] = [];
  for (const [kind, tag] of Object.entries(attachedTags(subject))) {
    const digest = tag === undefined ? undefined : overview.tag(tag);
    if (tag === undefined || digest === undefined) continue;
    try {
      const { model, size } = await contents.manifest(repo, { kind: 'digest', digest }, caller);
      const known: ArtifactKind = kind === 'signature' || kind === 'sbom' ? kind : 'attestation';
      const annotations = Object.fromEntries(model.annotations);
      rows.push({ digest, kind: known, type: model.artifactType ?? model.mediaType, size, annotations, tag });
    } catch (error) {
      if (!(error instanceof RegistryError) || error.kind !== 'manifest-unknown') throw error;
    }
  }
  return rows;
}

async function changesOfTag(
  repo: RepositoryName,
  tag: Tag,
  caller: Caller,
  history: Sources['history'],
): Promise<RecentChange[]> {
  const { changes } = await history.recentChanges(repo, { before: undefined, limit: SEARCHED_CHANGES }, caller);
  return changes.filter((change) => 'tag' in change && change.tag === tag).slice(0, MAX_CHANGES);
}
