import type { Fields } from '../oci/fields.ts';
import type { BuildStep, ConfigDetails, LayerDetails, Texts } from './interface.ts';
import { countOf, fieldsOf, itemsOf, namesOf, textOf, textRecordOf, textsOf, timeOf } from './untrusted.ts';

/** A descriptor in a manifest. */
export interface Part {
  readonly digest: string;
  readonly mediaType: string;
  /** Bytes, as the manifest says. */
  readonly size: number;
  readonly annotations: Texts;
  readonly platform: string | undefined;
  readonly artifactType: string | undefined;
}

/** The parts of a manifest of any kind. */
export interface ManifestParts {
  readonly config: Part | undefined;
  readonly layers: readonly Part[];
  readonly manifests: readonly Part[];
  readonly subject: string | undefined;
  readonly annotations: Texts;
  /** How many layers and manifests are not in the lists. */
  readonly left: number;
}

/** Layers and manifests of one manifest that are shown. */
const MAX_PARTS = 1_000;
/** Steps of a history that are shown. */
const MAX_STEPS = 1_000;
const MAX_DIGEST = 256;

export function partsOf(json: unknown): ManifestParts {
  const { config, layers, blobs, manifests, subject, annotations } = fieldsOf(json);
  const content = itemsOf(layers ?? blobs);
  const others = itemsOf(manifests);
  return {
    config: partOf(config),
    layers: content.slice(0, MAX_PARTS).flatMap((each) => partOf(each) ?? []),
    manifests: others.slice(0, MAX_PARTS).flatMap((each) => partOf(each) ?? []),
    subject: textOf(fieldsOf(subject).digest, MAX_DIGEST),
    annotations: textRecordOf(annotations),
    left: Math.max(0, content.length - MAX_PARTS) + Math.max(0, others.length - MAX_PARTS),
  };
}

function partOf(descriptor: unknown): Part | undefined {
  const { digest, mediaType, size, annotations, platform, artifactType } = fieldsOf(descriptor);
  if (typeof digest !== 'string' || digest.length > MAX_DIGEST) return undefined;
  return {
    digest,
    mediaType: textOf(mediaType, MAX_DIGEST) ?? '',
    size: countOf(size) ?? 0,
    annotations: textRecordOf(annotations),
    platform: platformOf(fieldsOf(platform)),
    artifactType: textOf(artifactType, MAX_DIGEST),
  };
}

/** `linux/arm64/v8`, with the version of a Windows: `windows/amd64 10.0.17763`. */
export function platformOf({ os, architecture, variant, 'os.version': version }: Fields): string | undefined {
  const names = [os, architecture, variant].flatMap((each) => textOf(each, 64) ?? []);
  if (names.length === 0 || names.every((each) => each === 'unknown')) return undefined;
  const release = textOf(version, 64);
  return names.join('/') + (release === undefined ? '' : ` ${release}`);
}

/** Bytes of everything that a manifest names, each once. */
export function totalOf({ config, layers, manifests }: ManifestParts): number {
  const parts = new Map([...(config === undefined ? [] : [config]), ...layers, ...manifests].map((p) => [p.digest, p]));
  return [...parts.values()].reduce((sum, part) => sum + part.size, 0);
}

/** The config of an image; of other content, what it has in common with one. */
export function configOf({ digest, mediaType, size }: Part, json: unknown): ConfigDetails {
  const image = fieldsOf(json);
  const run = fieldsOf(image.config);
  return {
    digest,
    mediaType,
    size,
    platform: platformOf(image),
    created: timeOf(image.created),
    author: textOf(image.author),
    user: textOf(run.User),
    workingDir: textOf(run.WorkingDir),
    entrypoint: commandOf(run.Entrypoint),
    cmd: commandOf(run.Cmd),
    env: textsOf(run.Env),
    ports: namesOf(run.ExposedPorts),
    volumes: namesOf(run.Volumes),
    labels: textRecordOf(run.Labels),
    stopSignal: textOf(run.StopSignal),
  };
}

/** Old builders wrote one text instead of a list. */
function commandOf(value: unknown): string[] {
  const text = textOf(value);
  return text === undefined ? textsOf(value) : [text];
}

/** The steps of a config's history, each with the layer that it made: a step that is not empty made the next one. */
export function historyOf(layers: readonly Part[], json: unknown): BuildStep[] {
  let next = 0;
  return itemsOf(fieldsOf(json).history)
    .slice(0, MAX_STEPS)
    .map((each) => {
      const { created, created_by, comment, empty_layer } = fieldsOf(each);
      const layer = empty_layer === true ? undefined : layers[next++]?.digest;
      return { command: textOf(created_by), comment: textOf(comment), created: timeOf(created), layer };
    });
}

export function layersOf(layers: readonly Part[], history: readonly BuildStep[]): LayerDetails[] {
  const made = history.filter(({ layer }) => layer !== undefined);
  return layers.map(({ digest, mediaType, size, annotations }, index) => {
    const step = made[index];
    return { digest, mediaType, size, annotations, command: step?.layer === digest ? step.command : undefined };
  });
}
