import type { RepositoryName } from '../oci/names.ts';
import { type ComparedManifest, compareManifests } from '../past/manifest-diff.ts';
import type { Descriptor } from '../registry/interface.ts';
import { isBuildAttestation } from './attachments.ts';
import { historyOf, layersOf, type ManifestParts, type Part } from './image.ts';
import type { ComparedSide, ContentKind, LayerChange, ManifestComparison, PlatformChange } from './interface.ts';

/** A manifest that was read. */
export interface Read {
  readonly descriptor: Descriptor;
  readonly json: unknown;
  readonly parts: ManifestParts;
  readonly kind: ContentKind;
}

/** One side of a comparison, as it was read. */
export interface ReadSide {
  /** By which it was read. */
  readonly repo: RepositoryName;
  readonly read: Read;
  /** The index of which `read` is the image for the platform. */
  readonly index: Read | undefined;
  /** The config as JSON. */
  readonly config: unknown;
}

/** What differs, without packages. Pure. */
export function compareSides(from: ReadSide, to: ReadSide): Omit<ManifestComparison, 'packages'> {
  const difference = compareManifests(comparedOf(from), comparedOf(to));
  const [before, after] = [commandsOf(from), commandsOf(to)];
  const layers = difference.layers.map((layer): LayerChange => {
    const { digest, change } = layer;
    return { ...layer, command: change === 'gone' ? before.get(digest) : after.get(digest) };
  });
  const { manifests, fields, bytes } = difference;
  return {
    from: sideOf(from, difference.from),
    to: sideOf(to, difference.to),
    ...{ layers, manifests, fields, bytes },
    platforms: comparePlatforms(imagesOf(from), imagesOf(to)),
  };
}

/** The image of an index for a platform. Pure. @returns undefined if it has none */
export function imageFor({ manifests }: ManifestParts, platform: string): Part | undefined {
  return manifests.find((each) => each.platform === platform && !isBuildAttestation(each));
}

function comparedOf({ read, config }: ReadSide): ComparedManifest {
  const { digest, mediaType, size } = read.descriptor;
  return { digest, mediaType, size, json: read.json, config };
}

function sideOf({ repo, read, index }: ReadSide, side: ReturnType<typeof compareManifests>['from']): ComparedSide {
  return { ...side, repository: repo, kind: read.kind, index: index?.descriptor.digest };
}

function commandsOf({ read: { parts }, config }: ReadSide): ReadonlyMap<string, string | undefined> {
  const layers = layersOf(parts.layers, historyOf(parts.layers, config));
  return new Map(layers.map(({ digest, command }) => [digest, command]));
}

function imagesOf({ read, index }: ReadSide): readonly Part[] {
  return (index ?? read).parts.manifests.filter((each) => !isBuildAttestation(each));
}

/** Images of the same platform belong together, those without one in their order. */
function comparePlatforms(before: readonly Part[], after: readonly Part[]): PlatformChange[] {
  const [old, current] = [byPlatform(before), byPlatform(after)];
  return [...new Set([...current.keys(), ...old.keys()])].map((key) => {
    const [from, to] = [old.get(key), current.get(key)];
    const { platform } = to ?? from ?? {};
    return { change: changeOf(from?.digest, to?.digest), platform, from: from?.digest, to: to?.digest };
  });
}

function changeOf(from: string | undefined, to: string | undefined): PlatformChange['change'] {
  if (from === undefined) return 'added';
  if (to === undefined) return 'gone';
  return from === to ? 'same' : 'changed';
}

function byPlatform(images: readonly Part[]): ReadonlyMap<string, Part> {
  const seen = new Map<string, number>();
  return new Map(
    images.map((image) => {
      const name = image.platform ?? '';
      const count = seen.get(name) ?? 0;
      seen.set(name, count + 1);
      return [`${name}\n${count}`, image] as const;
    }),
  );
}
