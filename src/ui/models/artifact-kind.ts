import type { ManifestModel } from './manifest-model.ts';

/** What a manifest is, by its media types. */
export type ArtifactKind =
  | 'image'
  | 'index'
  | 'helm-chart'
  | 'wasm'
  | 'ai-model'
  | 'signature'
  | 'sbom'
  | 'attestation'
  | 'markdown'
  | 'artifact';

/** As a badge shows it. */
export const KIND_NAMES: Readonly<Record<ArtifactKind, string>> = {
  image: 'Image',
  index: 'Multi-platform',
  'helm-chart': 'Helm chart',
  wasm: 'WebAssembly',
  'ai-model': 'AI model',
  signature: 'Signature',
  sbom: 'SBOM',
  attestation: 'Attestation',
  markdown: 'Document',
  artifact: 'Artifact',
};

const BY_TYPE: readonly (readonly [RegExp, ArtifactKind])[] = [
  [/^application\/vnd\.(?:oci|docker)\.(?:image\.config\.v1|container\.image\.v1)\+json$/, 'image'],
  [/^application\/vnd\.(?:oci\.image\.index|docker\.distribution\.manifest\.list)/, 'index'],
  [/^application\/vnd\.cncf\.helm\.config/, 'helm-chart'],
  [/wasm/, 'wasm'],
  [/^application\/vnd\.(?:cncf\.model|docker\.ai\.|cnai\.|ollama)/, 'ai-model'],
  [/cosign.*(?:artifact\.sig|simplesigning)|notary.*signature|dev\.sigstore\.bundle/, 'signature'],
  [/spdx|cyclonedx|syft|sbom/, 'sbom'],
  [/in-toto|dsse|attestation|provenance/, 'attestation'],
  [/^text\/markdown/, 'markdown'],
];

/** Pure. */
export function kindOf({ shape, mediaType, artifactType, config, layers }: ManifestModel): ArtifactKind {
  const layerTypes = layers.slice(0, 8).map((layer) => layer.mediaType);
  for (const type of [artifactType, config?.mediaType, mediaType, ...layerTypes]) {
    const kind = type === undefined ? undefined : kindOfType(type);
    // Many artifacts have the config of an image, or none at all.
    if (kind !== undefined && !(kind === 'image' && layerTypes.some(isNoImageLayer))) return kind;
  }
  return shape === 'image' && config?.mediaType.includes('image') === true ? 'image' : 'artifact';
}

/** @returns undefined for a type that says nothing */
export function kindOfType(mediaType: string): ArtifactKind | undefined {
  return BY_TYPE.find(([pattern]) => pattern.test(mediaType))?.[1];
}

function isNoImageLayer(mediaType: string): boolean {
  const kind = kindOfType(mediaType);
  return kind !== undefined && kind !== 'image';
}
