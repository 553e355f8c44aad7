import type { Caller } from '../access/access.ts';
import { parseDigest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Reference, Registry } from '../registry/interface.ts';
import type { Read } from './compared.ts';
import { type Contents, ifPresent } from './contents.ts';
import { type DocumentFacts, JSON_DOCUMENT, parserFor, tooLong, withAnnotations } from './documents.ts';
import { type ManifestParts, type Part, partsOf } from './image.ts';
import type { Documents } from './interface.ts';
import { contentKindOf } from './media-types.ts';
import { parsePartialJson } from './partial-json.ts';

/** Layers of one attached manifest that are read. */
const MAX_DOCUMENTS = 20;

export const NO_DOCUMENTS: Documents & { readonly omitted: readonly string[] } = {
  signatures: [],
  sboms: [],
  attestations: [],
  omitted: [],
};

/** Reads manifests, their configs and the documents in their layers. What they say of an image is the inspector's. */
export class ManifestReader {
  readonly #registry: Pick<Registry, 'getManifest'>;
  readonly #contents: Contents<DocumentFacts>;

  constructor(registry: Pick<Registry, 'getManifest'>, contents: Contents<DocumentFacts>) {
    this.#registry = registry;
    this.#contents = contents;
  }

  /** @throws RegistryError `manifest-unknown`, and those of the registry */
  async read(repo: RepositoryName, reference: Reference, caller: Caller): Promise<Read> {
    const { descriptor, bytes } = await this.#registry.getManifest(repo, reference, caller);
    const json = parsePartialJson(bytes, false)?.value;
    const parts = partsOf(json);
    const { mediaType, artifactType } = descriptor;
    return { descriptor, json, parts, kind: contentKindOf({ mediaType, artifactType, ...parts }) };
  }

  /** @returns undefined if it does not exist, or if that is no digest */
  async find(repo: RepositoryName, digest: string, caller: Caller): Promise<Read | undefined> {
    const parsed = parseDigest(digest);
    if (parsed === undefined) return undefined;
    return await ifPresent(() => this.read(repo, { kind: 'digest', digest: parsed }, caller));
  }

  /** The config as JSON; undefined if there is none. @param omitted gets what could not be read */
  async config(repo: RepositoryName, { config }: ManifestParts, caller: Caller, omitted: string[]): Promise<unknown> {
    const digest = config === undefined ? undefined : parseDigest(config.digest);
    if (config === undefined || digest === undefined || !/json$/.test(config.mediaType)) return undefined;
    const facts = await this.#contents.facts(repo, digest, JSON_DOCUMENT, caller);
    if (facts === undefined) omitted.push('the config is not in this repository');
    else if (facts.omitted.length > 0) omitted.push(tooLong('the config', config.size));
    return facts?.json;
  }

  /** What the layers of a signature, attestation or bill of materials say. */
  async documents(
    repo: RepositoryName,
    { parts, descriptor }: Read,
    caller: Caller,
  ): Promise<Documents & { readonly omitted: readonly string[] }> {
    const found = [];
    for (const layer of parts.layers.slice(0, MAX_DOCUMENTS)) {
      const facts = await this.#layerFacts(repo, layer, descriptor.artifactType, caller);
      if (facts !== undefined) found.push(facts);
    }
    return {
      signatures: found.flatMap(({ signatures }) => signatures),
      sboms: found.flatMap(({ sboms }) => sboms),
      attestations: found.flatMap(({ attestations }) => attestations),
      omitted: found.flatMap(({ omitted }) => omitted),
    };
  }

  async #layerFacts(
    repo: RepositoryName,
    layer: Part,
    artifactType: string | undefined,
    caller: Caller,
  ): Promise<DocumentFacts | undefined> {
    const digest = parseDigest(layer.digest);
    const parser = parserFor(layer, artifactType);
    if (digest === undefined || parser === undefined) return undefined;
    const facts = await this.#contents.facts(repo, digest, parser, caller);
    return facts === undefined ? undefined : withAnnotations(facts, layer.mediaType, layer.annotations);
  }
}
