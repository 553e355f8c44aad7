import type { Caller } from '../access/access.ts';
import { parseDigest } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Fields } from '../oci/fields.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { ManifestAddress } from '../past/comparable.ts';
import type { Reference, Registry } from '../registry/interface.ts';
import { type Attachment, attachmentsOf, isBuildAttestation } from './attachments.ts';
import { chartOf } from './chart.ts';
import { compareSides, imageFor, type Read, type ReadSide } from './compared.ts';
import { Contents } from './contents.ts';
import { CHART_VALUES, type DocumentFacts, README } from './documents.ts';
import { flatFactsOf } from './flat-facts.ts';
import { configOf, historyOf, layersOf, type ManifestParts, platformOf, totalOf } from './image.ts';
import type {
  Attached,
  Badges,
  ChartDetails,
  ContentKind,
  Documents,
  Inspection,
  ManifestComparison,
  ManifestDetails,
  ManifestSummary,
  PackageList,
  PlatformDetails,
  Readme,
  Sbom,
} from './interface.ts';
import { type LocatePorts, locate } from './locate.ts';
import { ManifestReader, NO_DOCUMENTS } from './manifest-reader.ts';
import { HELM_CONFIG, HELM_CONTENT, MARKDOWN } from './media-types.ts';
import { comparePackages, packagesOf } from './packages.ts';
import { descriptionIn, readmeIn } from './readme.ts';
import { fieldsOf } from './untrusted.ts';

export interface InspectorPorts extends Pick<LocatePorts, 'history' | 'names'> {
  /** With all of its rules. */
  readonly registry: Pick<Registry, 'getManifest' | 'resolveManifest' | 'getBlob' | 'resolveBlob' | 'referrers'>;
  /** Bytes for what is remembered of blobs. */
  readonly memory: number;
  /** Milliseconds. */
  readonly now: () => number;
}

/** What is attached is read for so long, in milliseconds; the rest is only listed. */
const READ_ATTACHED_MS = 5_000;
/** Manifests of an index whose size is looked up. */
const MAX_PLATFORMS = 100;
/** Packages of one bill of materials that are part of the details. */
const MAX_SHOWN_PACKAGES = 1_000;

/** Reads manifests and what belongs to them through the registry. */
export class Inspector implements Inspection {
  readonly #ports: InspectorPorts;
  readonly #contents: Contents<DocumentFacts>;
  readonly #reader: ManifestReader;

  constructor(ports: InspectorPorts) {
    this.#ports = ports;
    this.#contents = new Contents(ports.registry, ports.memory);
    this.#reader = new ManifestReader(ports.registry, this.#contents);
  }

  async manifest(repo: RepositoryName, reference: Reference, caller: Caller): Promise<ManifestDetails> {
    const read = await this.#reader.read(repo, reference, caller);
    const { descriptor, json, parts, kind } = read;
    const omitted: string[] = [];
    if (parts.left > 0) omitted.push(`${parts.left} more layers and manifests are not shown`);
    const config = await this.#reader.config(repo, parts, caller, omitted);
    const history = historyOf(parts.layers, config);
    const platforms = await this.#platforms(repo, parts, caller, omitted);
    const own = kind === 'image' || kind === 'index' ? NO_DOCUMENTS : await this.#reader.documents(repo, read, caller);
    omitted.push(...own.omitted);
    const attached = await this.#attached(repo, read, caller, omitted);
    const annotations = fieldsOf(fieldsOf(json).annotations);
    const labels = await this.#labels(repo, config, platforms, caller);
    return {
      digest: descriptor.digest,
      mediaType: descriptor.mediaType,
      size: descriptor.size,
      artifactType: descriptor.artifactType,
      kind,
      total: descriptor.size + totalOf(parts) + addedBy(platforms, parts),
      annotations: parts.annotations,
      subject: parts.subject,
      platforms,
      layers: layersOf(parts.layers, history),
      history,
      config: parts.config === undefined ? undefined : configOf(parts.config, kind === 'helm-chart' ? {} : config),
      chart: await this.#chart(repo, parts, config, caller),
      facts: kind === 'model' || kind === 'wasm' ? flatFactsOf(config) : {},
      description: descriptionIn(annotations, labels),
      readme: readmeIn(annotations, labels) ?? (await this.#attachedReadme(repo, attached, caller)),
      documents: shown(own),
      attached: attached.map((each) => ({ ...each, documents: shown(each.documents) })),
      badges: badgesOf(attached),
      omitted,
    };
  }

  async summary(repo: RepositoryName, reference: Reference, caller: Caller): Promise<ManifestSummary> {
    const { descriptor, parts, kind } = await this.#reader.read(repo, reference, caller);
    const images = await this.#platforms(repo, parts, caller, []);
    const config = kind === 'image' ? await this.#reader.config(repo, parts, caller, []) : undefined;
    const own = platformOf(fieldsOf(config));
    const platforms = images.flatMap(({ platform }) => platform ?? []);
    return {
      ...{ digest: descriptor.digest, kind, platforms: own === undefined ? platforms : [own] },
      total: descriptor.size + totalOf(parts) + addedBy(images, parts),
      isAttested: parts.manifests.some(isBuildAttestation),
    };
  }

  async packages(repo: RepositoryName, reference: Reference, caller: Caller): Promise<PackageList> {
    const sboms = await this.#sboms(repo, await this.#reader.read(repo, reference, caller), caller);
    return { packages: packagesOf(sboms), sboms: sboms.length, isCut: sboms.some(({ isCut }) => isCut) };
  }

  async compare(
    from: ManifestAddress,
    to: ManifestAddress,
    { platform }: { readonly platform?: string | undefined },
    caller: Caller,
  ): Promise<ManifestComparison> {
    const [before, after] = [await this.#side(from, platform, caller), await this.#side(to, platform, caller)];
    const difference = compareSides(before, after);
    const old = await this.#sbomsOf(before, caller);
    const current = await this.#sbomsOf(after, caller);
    if (old.length === 0 || current.length === 0) return difference;
    return { ...difference, packages: comparePackages(packagesOf(old), packagesOf(current)) };
  }

  /** A manifest that is compared; of an index, the image for the platform if one is chosen. */
  async #side(address: ManifestAddress, platform: string | undefined, caller: Caller): Promise<ReadSide> {
    const { repo, reference } = await locate(address, caller, this.#ports);
    const whole = await this.#reader.read(repo, reference, caller);
    const isChosen = platform !== undefined && whole.kind === 'index';
    const read = isChosen ? await this.#imageOf(repo, whole, platform, caller) : whole;
    const config = await this.#reader.config(repo, read.parts, caller, []);
    return { repo, read, index: isChosen ? whole : undefined, config };
  }

  async #imageOf(repo: RepositoryName, { descriptor, parts }: Read, platform: string, caller: Caller): Promise<Read> {
    const digest = parseDigest(imageFor(parts, platform)?.digest ?? '');
    if (digest !== undefined) return await this.#reader.read(repo, { kind: 'digest', digest }, caller);
    throw new RegistryError('manifest-unknown', `${descriptor.digest} of ${repo} has no image for ${platform}`);
  }

  /** @returns undefined for what is no Helm chart */
  async #chart(
    repo: RepositoryName,
    { config: descriptor, layers }: ManifestParts,
    config: unknown,
    caller: Caller,
  ): Promise<ChartDetails | undefined> {
    if (descriptor?.mediaType !== HELM_CONFIG) return undefined;
    const archive = parseDigest(layers.find((layer) => HELM_CONTENT.includes(layer.mediaType))?.digest ?? '');
    const found = archive && (await this.#contents.facts(repo, archive, CHART_VALUES, caller));
    const values = found?.text === undefined ? undefined : { text: found.text, isCut: found.omitted.length > 0 };
    return { ...chartOf(config), values };
  }

  /** The manifests of an index, without the attestations, which are shown as attached. */
  async #platforms(
    repo: RepositoryName,
    { manifests }: ManifestParts,
    caller: Caller,
    omitted: string[],
  ): Promise<PlatformDetails[]> {
    const listed = manifests.filter((each) => !isBuildAttestation(each));
    if (listed.length > MAX_PLATFORMS)
      omitted.push(`the sizes of ${listed.length - MAX_PLATFORMS} manifests are not shown`);
    const described: PlatformDetails[] = [];
    for (const [index, { digest, mediaType, platform, annotations }] of listed.entries()) {
      const found = index < MAX_PLATFORMS ? await this.#reader.find(repo, digest, caller) : undefined;
      const total = found === undefined ? undefined : found.descriptor.size + totalOf(found.parts);
      described.push({ digest, mediaType, platform, total, annotations });
    }
    return described;
  }

  /** The labels of the config; of an index, those of its first image. */
  async #labels(
    repo: RepositoryName,
    config: unknown,
    platforms: readonly PlatformDetails[],
    caller: Caller,
  ): Promise<Fields> {
    const present = platforms.find(({ total }) => total !== undefined);
    const first = present === undefined ? undefined : await this.#reader.find(repo, present.digest, caller);
    const used = first === undefined ? config : await this.#reader.config(repo, first.parts, caller, []);
    return fieldsOf(fieldsOf(fieldsOf(used).config).Labels);
  }

  async #attached(repo: RepositoryName, root: Read, caller: Caller, omitted: string[]): Promise<Attached[]> {
    const { digest } = root.descriptor;
    const { registry, now } = this.#ports;
    const { attached, more } = await attachmentsOf(registry, repo, { digest, parts: root.parts }, caller);
    if (more) omitted.push(`only ${attached.length} of the things that are attached to it are shown`);
    const until = now() + READ_ATTACHED_MS;
    const described: Attached[] = [];
    for (const each of attached) {
      const found = await this.#reader.find(repo, each.digest, caller);
      if (found !== undefined) described.push(await this.#describe(repo, each, found, now() < until, caller));
    }
    return described;
  }

  async #describe(
    repo: RepositoryName,
    { digest, subject, via, tag }: Attachment,
    read: Read,
    inTime: boolean,
    caller: Caller,
  ): Promise<Attached> {
    const { descriptor, parts, kind } = read;
    const { omitted, ...documents } = inTime
      ? await this.#reader.documents(repo, read, caller)
      : { ...NO_DOCUMENTS, omitted: ['it was not read, because there is too much to read'] };
    return {
      digest,
      subject,
      via,
      tag,
      kind,
      mediaType: descriptor.mediaType,
      artifactType: descriptor.artifactType,
      total: descriptor.size + totalOf(parts),
      annotations: parts.annotations,
      documents,
      omitted,
    };
  }

  async #attachedReadme(
    repo: RepositoryName,
    attached: readonly Attached[],
    caller: Caller,
  ): Promise<Readme | undefined> {
    const referrer = attached.find(({ artifactType, via }) => artifactType === MARKDOWN && via === 'subject');
    const found = referrer === undefined ? undefined : await this.#reader.find(repo, referrer.digest, caller);
    const digest = parseDigest(found?.parts.layers[0]?.digest ?? '');
    const facts = digest === undefined ? undefined : await this.#contents.facts(repo, digest, README, caller);
    if (facts?.text === undefined) return undefined;
    return { text: facts.text, from: 'referrer', isCut: facts.omitted.length > 0 };
  }

  /** Those of a side; build tools attach those of an image within the index. */
  async #sbomsOf({ repo, read, index }: ReadSide, caller: Caller): Promise<Sbom[]> {
    const own = await this.#sboms(repo, read, caller);
    const attached = index === undefined ? [] : await this.#attached(repo, index, caller, []);
    const { digest } = read.descriptor;
    return [...own, ...attached.flatMap(({ subject, documents }) => (subject === digest ? documents.sboms : []))];
  }

  /** All bills of materials that belong to a manifest. */
  async #sboms(repo: RepositoryName, read: Read, caller: Caller): Promise<Sbom[]> {
    const own = await this.#reader.documents(repo, read, caller);
    const attached = await this.#attached(repo, read, caller, []);
    return [own, ...attached.map(({ documents }) => documents)].flatMap(({ sboms }) => sboms);
  }
}

/** What the manifests of an index need beyond their own bytes, which the index names. */
function addedBy(platforms: readonly PlatformDetails[], { manifests }: ManifestParts): number {
  const sizes = new Map(manifests.map(({ digest, size }) => [digest, size]));
  return platforms.reduce(
    (sum, { digest, total }) => sum + (total ?? sizes.get(digest) ?? 0) - (sizes.get(digest) ?? 0),
    0,
  );
}

/** With as many packages as a page shows. */
function shown({ signatures, sboms, attestations }: Documents): Documents {
  const cut = sboms.map((sbom) => ({ ...sbom, packages: sbom.packages.slice(0, MAX_SHOWN_PACKAGES) }));
  return { signatures, sboms: cut, attestations };
}

function badgesOf(attached: readonly Attached[]): Badges {
  const has = (kind: ContentKind, list: keyof Documents): boolean =>
    attached.some((each) => each.kind === kind || each.documents[list].length > 0);
  return {
    // A signed attestation says something of the image, but does not sign it.
    signed: attached.some(({ kind }) => kind === 'signature'),
    sbom: has('sbom', 'sboms'),
    attested: has('attestation', 'attestations'),
  };
}
