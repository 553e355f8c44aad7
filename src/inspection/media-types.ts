import { shapeOf } from '../oci/media-types.ts';
import type { ContentKind } from './interface.ts';

/** The media types that are recognised, by what they are to people. */
export const COSIGN_PAYLOAD = 'application/vnd.dev.cosign.simplesigning.v1+json';
export const COSIGN_SIGNATURE = 'application/vnd.dev.cosign.artifact.sig.v1+json';
export const DSSE_ENVELOPE = 'application/vnd.dsse.envelope.v1+json';
export const IN_TOTO = 'application/vnd.in-toto+json';
export const NOTATION_SIGNATURE = 'application/vnd.cncf.notary.signature';
export const HELM_CONFIG = 'application/vnd.cncf.helm.config.v1+json';
/** The archive of a chart, also as old versions of helm name it. */
export const HELM_CONTENT = ['application/vnd.cncf.helm.chart.content.v1.tar+gzip', 'application/tar+gzip'];
export const MARKDOWN = 'text/markdown';

const BUNDLE = /^application\/vnd\.dev\.sigstore\.bundle\b/;
const SBOM = /^(?:application|text)\/(?:(?:vnd\.)?(?:spdx|cyclonedx|syft)\b)/;
const WASM = /^application\/(?:vnd\.wasm\b|vnd\.bytecodealliance\.|wasm$)/;
const MODEL =
  /^application\/vnd\.(?:cncf\.model\.|docker\.ai\.|ollama\.|kitops\.modelkit\.|modelpack\.|aipack\.|huggingface\.)/;

export function isSigstoreBundle(mediaType: string): boolean {
  return BUNDLE.test(mediaType);
}

/** A bill of materials, not in an envelope. */
export function isSbom(mediaType: string): boolean {
  return SBOM.test(mediaType);
}

/** The media types of a manifest and of what is in it. */
export interface TypesOf {
  readonly mediaType: string;
  readonly artifactType: string | undefined;
  /** Of the manifest: newer clients say there what its layer is. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly layers: readonly { readonly mediaType: string; readonly annotations: Readonly<Record<string, string>> }[];
}

/** Names of the predicate of an attestation, in the annotations of the layer that has it. */
const PREDICATE_TYPES = ['predicateType', 'in-toto.io/predicate-type', 'dev.sigstore.bundle.predicateType'];

export function predicateTypeIn(annotations: Readonly<Record<string, string>>): string | undefined {
  return PREDICATE_TYPES.map((name) => annotations[name]).find((each) => each !== undefined);
}

/** Whether the predicate of an attestation is a bill of materials. */
export function isSbomPredicate(predicateType: string): boolean {
  return /^https:\/\/(?:spdx\.dev\/Document|cyclonedx\.org\/(?:bom|schema))/.test(predicateType);
}

/** What a manifest is to people. `config` is its artifact type if it has none of its own. Pure. */
export function contentKindOf({ mediaType, artifactType = '', annotations = {}, layers }: TypesOf): ContentKind {
  const types = [artifactType, ...layers.map((layer) => layer.mediaType)];
  const some = (test: (type: string) => boolean): boolean => types.some(test);
  if (artifactType === HELM_CONFIG) return 'helm-chart';
  if (some((type) => type === COSIGN_PAYLOAD || type === COSIGN_SIGNATURE || type === NOTATION_SIGNATURE)) {
    return 'signature';
  }
  if (some((type) => type === DSSE_ENVELOPE || type === IN_TOTO || isSigstoreBundle(type))) {
    return kindOfStatements(layers.map((layer) => ({ ...annotations, ...layer.annotations })));
  }
  if (some(isSbom)) return 'sbom';
  if (some((type) => WASM.test(type))) return 'wasm';
  if (some((type) => MODEL.test(type))) return 'model';
  if (artifactType === MARKDOWN) return 'readme';
  const shape = shapeOf(mediaType);
  if (shape === 'index') return 'index';
  return shape === 'image' && isImageConfig(artifactType) ? 'image' : 'artifact';
}

/** Attestations carry bills of materials, too. A bundle without a predicate signs the manifest itself. */
function kindOfStatements(about: readonly Readonly<Record<string, string>>[]): ContentKind {
  const predicates = about.map(predicateTypeIn);
  if (predicates.some((each) => each !== undefined && isSbomPredicate(each))) return 'sbom';
  if (predicates.every((each) => each === COSIGN_PREDICATE)) return 'signature';
  const isMessage = about.some((each) => each['dev.sigstore.bundle.content'] === 'message-signature');
  return isMessage ? 'signature' : 'attestation';
}

/** What cosign writes into the bundle of a plain signature. */
export const COSIGN_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';

function isImageConfig(type: string): boolean {
  return (
    type === 'application/vnd.oci.image.config.v1+json' || type === 'application/vnd.docker.container.image.v1+json'
  );
}
