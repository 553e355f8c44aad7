import type { Caller } from '../access/access.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import type { ManifestAddress } from '../past/comparable.ts';
import type { ManifestDiff, ManifestSide, PartDifference } from '../past/manifest-diff.ts';
import type { Reference } from '../registry/interface.ts';

/**
 * What manifests mean to people. All methods only read, through the registry with its rules: so names of the past work too, and
 * errors are those of `Registry.getManifest`. Whatever comes from pushed content is a stranger's text: no signature is verified,
 * nothing is escaped, and each text is cut at a length.
 */
export interface Inspection {
  /** A manifest, and what is attached to it. */
  manifest(repo: RepositoryName, reference: Reference, caller: Caller): Promise<ManifestDetails>;
  /** What a manifest is, without what is attached to it: for a line of a list. */
  summary(repo: RepositoryName, reference: Reference, caller: Caller): Promise<ManifestSummary>;
  /** Every package in the bills of materials that are attached to a manifest, or that it is, each once, in order. */
  packages(repo: RepositoryName, reference: Reference, caller: Caller): Promise<PackageList>;
  /**
   * What differs between two manifests, which may be in different repositories. One that its repository still has is read with what is
   * attached to it now, another one from the past.
   * @param options `platform`: of an index the image for this platform, as `PlatformDetails` names it
   * @throws also RegistryError `manifest-unknown` if an index has no image for the platform
   */
  compare(
    from: ManifestAddress,
    to: ManifestAddress,
    options: { readonly platform?: string | undefined },
    caller: Caller,
  ): Promise<ManifestComparison>;
}

/** What something in a registry is, judged by its media types. */
export type ContentKind =
  | 'image'
  | 'index'
  | 'helm-chart'
  | 'wasm'
  | 'model'
  | 'signature'
  | 'sbom'
  | 'attestation'
  | 'readme'
  | 'artifact';

export interface ManifestDetails {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes of the manifest. */
  readonly size: number;
  readonly artifactType?: string | undefined;
  readonly kind: ContentKind;
  /** Bytes of the manifest and of everything that it names; of an index, those of its manifests as far as they are stored. */
  readonly total: number;
  readonly annotations: Texts;
  readonly subject?: string | undefined;
  /** Of an index: its manifests, without the attestations among them. */
  readonly platforms: readonly PlatformDetails[];
  readonly layers: readonly LayerDetails[];
  /** How the image was built, if its config tells. */
  readonly history: readonly BuildStep[];
  readonly config?: ConfigDetails | undefined;
  readonly chart?: ChartDetails | undefined;
  /** What the config of an AI model or of WebAssembly says, by paths such as `config.format`. */
  readonly facts: Texts;
  readonly description?: string | undefined;
  readonly readme?: Readme | undefined;
  /** What it contains itself, if it is a signature, an attestation or a bill of materials. */
  readonly documents: Documents;
  /** What is attached: each after its subject, and everything that is attached to it follows. */
  readonly attached: readonly Attached[];
  readonly badges: Badges;
  /** What is not shown, or only in part, and why: sentences for people. */
  readonly omitted: readonly string[];
}

export interface ManifestSummary extends Pick<ManifestDetails, 'digest' | 'kind' | 'total'> {
  /** `linux/arm64/v8`; of an index those of its images. */
  readonly platforms: readonly string[];
  /** Whether it is an index with attestations of build tools. */
  readonly isAttested: boolean;
}

export type Texts = Readonly<Record<string, string>>;

/** Whether something of the kind is attached. Nothing is verified. */
export interface Badges {
  readonly signed: boolean;
  readonly sbom: boolean;
  readonly attested: boolean;
}

export interface PlatformDetails {
  readonly digest: string;
  readonly mediaType: string;
  /** `linux/arm64/v8`; absent if the index does not say. */
  readonly platform?: string | undefined;
  /** Bytes of the manifest and of what it names; absent if it is not stored here. */
  readonly total?: number | undefined;
  readonly annotations: Texts;
}

export interface LayerDetails {
  readonly digest: string;
  readonly mediaType: string;
  /** Bytes as stored. */
  readonly size: number;
  readonly annotations: Texts;
  /** What made it, by the config's history. */
  readonly command?: string | undefined;
}

export interface BuildStep {
  readonly command?: string | undefined;
  readonly comment?: string | undefined;
  readonly created?: string | undefined;
  /** The layer that it made; absent if it made none. */
  readonly layer?: string | undefined;
}

export interface ConfigDetails {
  readonly digest: string;
  readonly mediaType: string;
  readonly size: number;
  readonly platform?: string | undefined;
  readonly created?: string | undefined;
  readonly author?: string | undefined;
  readonly user?: string | undefined;
  readonly workingDir?: string | undefined;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  readonly ports: readonly string[];
  readonly volumes: readonly string[];
  readonly labels: Texts;
  readonly stopSignal?: string | undefined;
}

/** @property values its values.yaml; absent if it was not found */
export interface ChartDetails extends ChartFacts {
  readonly values?: { readonly text: string; readonly isCut: boolean } | undefined;
}

/** What a chart's Chart.yaml says. */
export interface ChartFacts {
  readonly name?: string | undefined;
  readonly version?: string | undefined;
  readonly appVersion?: string | undefined;
  readonly description?: string | undefined;
  readonly home?: string | undefined;
  readonly icon?: string | undefined;
  readonly type?: string | undefined;
  readonly kubeVersion?: string | undefined;
  readonly deprecated: boolean;
  readonly keywords: readonly string[];
  readonly sources: readonly string[];
  readonly maintainers: readonly {
    readonly name: string;
    readonly email?: string | undefined;
    readonly url?: string | undefined;
  }[];
  readonly dependencies: readonly {
    readonly name: string;
    readonly version?: string | undefined;
    readonly repository?: string | undefined;
  }[];
}

export interface Readme {
  /** Markdown. */
  readonly text: string;
  readonly from: 'annotation' | 'label' | 'referrer';
  /** Whether it is cut. */
  readonly isCut: boolean;
}

/** How something is attached to its subject. */
export type AttachedVia =
  /** It names it as its subject. */
  | 'subject'
  /** By a tag such as `sha256-….sig`. */
  | 'tag'
  /** It is in the same index, as build tools attach attestations. */
  | 'index';

export interface Attached {
  readonly digest: string;
  /** What it is attached to: the manifest itself, or another entry of the list. */
  readonly subject: string;
  readonly via: AttachedVia;
  /** The tag that attaches it. */
  readonly tag?: string | undefined;
  readonly kind: ContentKind;
  readonly mediaType: string;
  readonly artifactType?: string | undefined;
  /** Bytes of the manifest and of what it names. */
  readonly total: number;
  readonly annotations: Texts;
  readonly documents: Documents;
  /** What of it is not shown, or only in part, and why. */
  readonly omitted: readonly string[];
}

export interface Documents {
  readonly signatures: readonly Signature[];
  readonly sboms: readonly Sbom[];
  readonly attestations: readonly Attestation[];
}

/** A signature as it was found. Nobody has verified it. */
export interface Signature {
  readonly format: 'cosign' | 'sigstore-bundle' | 'notation';
  /** Who signed, as the certificate in it claims: an address or the URL of a workflow. */
  readonly identity?: string | undefined;
  /** Who vouched for that identity, as the certificate claims. */
  readonly issuer?: string | undefined;
  readonly certificate?: CertificateDetails | undefined;
  /** Which key signed, as the signature claims, if there is no certificate. */
  readonly key?: string | undefined;
  /** When it was entered in the transparency log, as it claims. */
  readonly signedAt?: string | undefined;
  readonly logIndex?: number | undefined;
  /** What it says that it signs. */
  readonly signedDigest?: string | undefined;
  readonly signedReference?: string | undefined;
  /** What the signer added. */
  readonly claims: Texts;
}

export interface CertificateDetails {
  readonly subject?: string | undefined;
  readonly issuer: string;
  readonly validFrom: string;
  readonly validTo: string;
  /** SHA-256, hexadecimal. */
  readonly fingerprint: string;
}

export interface Attestation {
  readonly predicateType: string;
  readonly subjects: readonly { readonly name?: string | undefined; readonly digest?: string | undefined }[];
  readonly builder?: string | undefined;
  readonly buildType?: string | undefined;
  /** Whether it is in a signed envelope. The signature is not verified. */
  readonly isSigned: boolean;
}

export interface Sbom {
  readonly format: 'SPDX' | 'CycloneDX';
  readonly version?: string | undefined;
  readonly name?: string | undefined;
  readonly created?: string | undefined;
  readonly tools: readonly string[];
  /** The first of its packages. */
  readonly packages: readonly Package[];
  /** How many it has, as far as it was read. */
  readonly count: number;
  /** Whether it has packages that were not read. */
  readonly isCut: boolean;
}

export interface Package {
  readonly name: string;
  readonly version?: string | undefined;
  /** A package URL, `pkg:npm/zod@4.0.0`. */
  readonly purl?: string | undefined;
  readonly license?: string | undefined;
}

export interface PackageList {
  readonly packages: readonly Package[];
  /** Bills of materials that were read. */
  readonly sboms: number;
  readonly isCut: boolean;
}

export interface PackageChange {
  readonly change: 'added' | 'gone' | 'changed';
  readonly name: string;
  /** Versions. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

/** One of two manifests that are compared. */
export interface ComparedSide extends ManifestSide {
  /** By which it can be pulled now: the repository, or a name of the past if it is not there any more. */
  readonly repository: RepositoryName;
  readonly kind: ContentKind;
  /** The index of which a platform was chosen. */
  readonly index?: Digest | undefined;
}

export interface LayerChange extends PartDifference {
  /** What made it, by the config's history. */
  readonly command?: string | undefined;
}

/** An image of an index and the one for the same platform of the other index. */
export interface PlatformChange {
  readonly change: 'same' | 'changed' | 'added' | 'gone';
  /** Absent if the index does not say. */
  readonly platform?: string | undefined;
  /** Digests. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

export interface ManifestComparison extends Omit<ManifestDiff, 'kind' | 'from' | 'to' | 'layers'> {
  readonly from: ComparedSide;
  readonly to: ComparedSide;
  readonly layers: readonly LayerChange[];
  /** Of indexes, also if a platform was chosen; attestations left out. */
  readonly platforms: readonly PlatformChange[];
  /** undefined unless both have a bill of materials. */
  readonly packages?:
    | { readonly items: readonly PackageChange[]; readonly count: number; readonly same: number }
    | undefined;
}
