import { foldLog } from '../journal/log.ts';
import { parseDigest } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import { parseManifest } from '../oci/manifest.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { ForeignUnreadable } from '../storage/foreign.ts';
import { broken, type LayerEntry, missing, unsupported } from './layers.ts';
import {
  contradictedKey,
  contradictionOf,
  type ManifestEntry,
  mayContradict,
  problemOf,
  readManifest,
} from './manifests.ts';
import type { Import } from './ports.ts';
import type { Problem } from './report.ts';
import { contradicted, dangling, differs, readTags, type TagEntry } from './tags.ts';
import type { Taker } from './walk.ts';

export interface DryRunPorts extends Pick<Import, 'source' | 'tally' | 'signal' | 'yieldToRequests' | 'moveTags'> {
  /** Our store; undefined if there is none yet. */
  readonly reader: StoreReader | undefined;
}

/**
 * Finds what an import would do and which problems it would report, without writing. Manifests are read; blobs are
 * only looked up. Memory grows with the largest repository.
 */
export class DryRun implements Taker {
  readonly #ports: DryRunPorts;
  readonly #seen = new Set<Digest>();
  #repo: RepositoryName | undefined;
  #blobs = new Set<Digest>();
  /** With their media types. */
  #manifests = new Map<Digest, string>();
  readonly #contradicted = new Set<string>();
  #tags: ReadonlyMap<string, Digest> = new Map();

  constructor(ports: DryRunPorts) {
    this.#ports = ports;
  }

  async layers(repo: RepositoryName, entries: readonly LayerEntry[]): Promise<void> {
    await this.#begin(repo);
    for (const entry of entries) await this.#report(() => this.#layer(repo, entry));
  }

  async #layer(repo: RepositoryName, entry: LayerEntry): Promise<Problem | undefined> {
    const { source, tally } = this.#ports;
    const digest = parseDigest(entry.digest);
    if (digest === undefined) return unsupported(repo, entry.digest);
    const target = await source.digestOf(entry);
    if (target === undefined) return broken(repo, digest);
    const size = await source.sizeOf(target);
    if (this.#blobs.has(digest)) {
      tally.blob('present', size ?? 0);
      return undefined;
    }
    if (size === undefined) return missing(repo, digest);
    this.#blobs.add(digest);
    const origin = source.gives ? 'copied' : 'sent';
    tally.blob(this.#seen.has(digest) ? 'shared' : origin, size);
    this.#seen.add(digest);
    return undefined;
  }

  async manifests(repo: RepositoryName, entries: readonly ManifestEntry[]): Promise<void> {
    await this.#begin(repo);
    for (const entry of entries) await this.#report(() => this.#manifest(repo, entry));
  }

  async #manifest(repo: RepositoryName, entry: ManifestEntry): Promise<Problem | undefined> {
    const { tally } = this.#ports;
    const digest = parseDigest(entry.digest);
    if (digest === undefined) return unsupported(repo, entry.digest);
    const existing = this.#manifests.get(digest);
    if (existing !== undefined && !mayContradict(existing)) {
      tally.manifests.present++;
      return undefined;
    }
    const bytes = await readManifest(repo, digest, entry, this.#ports);
    if (!(bytes instanceof Uint8Array)) return bytes;
    if (existing !== undefined) {
      const contradiction = contradictionOf(existing, repo, digest, bytes, entry.mediaType);
      if (contradiction === undefined) tally.manifests.present++;
      else this.#contradicted.add(contradictedKey(repo, digest));
      return contradiction;
    }
    let mediaType: string;
    try {
      const facts = parseManifest(bytes, entry.mediaType);
      mediaType = facts.mediaType;
      const absent = facts.requiredBlobs.filter((each) => !this.#blobs.has(each));
      if (absent.length > 0) {
        const error = new RegistryError('manifest-references-unknown', '', { digests: absent });
        return problemOf(error, repo, digest, bytes);
      }
    } catch (error) {
      const problem = error instanceof RegistryError ? problemOf(error, repo, digest, bytes) : undefined;
      if (problem === undefined) throw error;
      return problem;
    }
    tally.manifests.put++;
    this.#manifests.set(digest, mediaType);
    return undefined;
  }

  async tags(repo: RepositoryName, entries: readonly TagEntry[]): Promise<void> {
    await this.#begin(repo);
    const { tally, moveTags } = this.#ports;
    for (const { tag, digest } of await readTags(repo, entries, this.#ports)) {
      const prev = this.#tags.get(tag);
      if (prev === digest) tally.tags.present++;
      else if (this.#contradicted.has(contradictedKey(repo, digest)))
        tally.problem(contradicted(repo, { tag, digest }));
      else if (!this.#manifests.has(digest)) tally.problem(dangling(repo, { tag, digest }));
      else if (prev !== undefined && !moveTags) tally.problem(differs(repo, { tag, digest }, prev));
      else tally.tags.set++;
    }
    for (const _ of entries) tally.done();
  }

  async #report(look: () => Promise<Problem | undefined>): Promise<void> {
    const { tally, signal, yieldToRequests } = this.#ports;
    signal.throwIfAborted();
    await yieldToRequests();
    try {
      const problem = await look();
      if (problem !== undefined) tally.problem(problem);
    } catch (error) {
      if (!(error instanceof ForeignUnreadable)) throw error;
      tally.problem({ problem: 'unreadable', repo: this.#repo ?? '', message: error.message });
    }
    tally.done();
  }

  async #begin(repo: RepositoryName): Promise<void> {
    if (this.#repo === repo) return;
    this.#repo = repo;
    const { reader } = this.#ports;
    const state = reader === undefined ? undefined : (await foldLog(reader, repo)).state;
    this.#blobs = new Set(state?.blobs.keys());
    this.#manifests = new Map([...(state?.manifests ?? [])].map(([digest, { mediaType }]) => [digest, mediaType]));
    this.#tags = new Map(state?.tags);
  }
}
