import type { ContentKind } from '../../inspection/interface.ts';

/** As badges show it. */
export const KIND_NAMES: Readonly<Record<ContentKind, string>> = {
  image: 'Image',
  index: 'Multi-platform',
  'helm-chart': 'Helm chart',
  wasm: 'WebAssembly',
  model: 'AI model',
  signature: 'Signature',
  sbom: 'SBOM',
  attestation: 'Attestation',
  readme: 'Document',
  artifact: 'Artifact',
};

const BY_TYPE: readonly (readonly [RegExp, ContentKind])[] = [
  [/cosign.*(?:artifact\.sig|simplesigning)|notary.*signature/, 'signature'],
  [/spdx|cyclonedx|syft/, 'sbom'],
  [/in-toto|dsse|sigstore\.bundle/, 'attestation'],
  [/^text\/markdown/, 'readme'],
];

/** What an attached manifest is, if only its artifact type is known. Pure. */
export function kindOfType(artifactType: string): ContentKind {
  return BY_TYPE.find(([pattern]) => pattern.test(artifactType))?.[1] ?? 'artifact';
}
