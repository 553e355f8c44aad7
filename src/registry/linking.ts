import { ANONYMOUS_CALLER, type Caller } from '../access/access.ts';
import { accept, type Decision, refuse } from '../journal/command.ts';
import type { JournalEvent } from '../journal/events.ts';
import type { BlobLink, RepositoryFacts } from '../journal/state.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, Incarnation, RepositoryName } from '../oci/names.ts';
import type { WrittenObject } from '../storage/driver.ts';
import { dataKey } from '../storage/paths.ts';
import { mayLink } from './condemned.ts';
import { type Exclusivity, isExclusive } from './exclusivity.ts';
import { type Hint, readHint, writeHint } from './hints.ts';
import type { RegistryPorts } from './ports.ts';
import { needsRenewal, renewal } from './renewal.ts';

/** Verified bytes that are stored as an incarnation. */
export interface StoredBytes {
  readonly digest: Digest;
  readonly size: number;
  readonly inc: Incarnation;
}

/** The bytes of an upload that has just been finished. */
export interface UploadedBytes extends StoredBytes {
  readonly exclusivity: Exclusivity;
  /** Absent if the bytes are durable. */
  readonly written?: WrittenObject;
}

/** Links digests to stored bytes, for uploads and mounts. */
export class Linking {
  readonly #ports: RegistryPorts;

  constructor(ports: RegistryPorts) {
    this.#ports = ports;
  }

  /**
   * Links uploaded bytes as a blob of the repository. If the store already has the same bytes, those are linked instead, and the
   * uploaded ones are deleted in the background if they are exclusive. Bytes of a repository that the caller may not pull from are
   * not linked, because the response time and the log would reveal that they exist.
   * @throws RegistryError `upload-unknown` if a collection has condemned the bytes: the client must upload them again
   */
  async linkUploaded(
    repo: RepositoryName,
    { exclusivity, written, ...uploaded }: UploadedBytes,
    caller: Caller,
  ): Promise<void> {
    const { digest, size } = uploaded;
    const hint = await readHint(this.#ports.driver, digest);
    const shared =
      hint === undefined || !this.#mayShare(hint.repo, repo, caller)
        ? undefined
        : await sharedBytes(uploaded, hint, this.#ports);
    const actor = caller.actor.label;
    const linked = await this.#ports.projection.submit(repo, {
      needs: { blobs: [digest], references: [digest] },
      ...(written === undefined ? {} : { written }),
      decide: async (facts): Promise<Decision<Incarnation>> => {
        const present = await this.#presentLink(facts, digest);
        if (present !== undefined) return accept(present.inc, ...this.#renewal(facts, digest, present));
        if (shared !== undefined && (await this.#mayLink(shared.inc, size))) {
          const from = this.#origin(shared.repo, repo);
          return accept(shared.inc, { type: 'blob.linked', ...uploaded, inc: shared.inc, ...from, actor });
        }
        if (await this.#mayLink(uploaded.inc, size))
          return accept(uploaded.inc, { type: 'blob.linked', ...uploaded, actor });
        return refuse(new RegistryError('upload-unknown', 'this upload is too old to be finished: start a new one'));
      },
    });
    if (linked !== uploaded.inc && exclusivity.kind !== 'shared') {
      this.#ports.runInBackground('deleting uploaded bytes that the store already had', async () => {
        await written?.settle();
        if (await isExclusive(exclusivity)) await this.#ports.driver.delete([dataKey(uploaded.inc)]);
      });
    }
    if (linked !== hint?.inc) {
      await writeHint(this.#ports.driver, digest, { inc: linked, size, repo }).catch(ignoreFull);
    }
  }

  /**
   * Links a blob of another repository without an upload.
   * @param from the source repository, which the caller may pull from; if undefined, the digest's hint names a candidate
   * @returns false if there is no source: the client must upload the blob
   */
  async mount(
    repo: RepositoryName,
    digest: Digest,
    from: RepositoryName | undefined,
    caller: Caller,
  ): Promise<boolean> {
    const source = from ?? (await this.#sourceFor(digest, caller));
    if (source === undefined) return false;
    const answer = await this.#ports.projection.blob(source, digest);
    const link = answer.kind === 'known' ? answer.value : undefined;
    if (link === undefined || !(await this.#hasBytes(link.inc, link.size))) return false;
    return await this.#ports.projection.submit(repo, {
      needs: { blobs: [digest], references: [digest] },
      decide: async (facts): Promise<Decision<boolean>> => {
        const present = await this.#presentLink(facts, digest);
        if (present !== undefined) return accept(true, ...this.#renewal(facts, digest, present));
        if (!(await this.#mayLink(link.inc, link.size))) return accept(false);
        const { size, inc } = link;
        const origin = this.#origin(source, repo);
        return accept(true, { type: 'blob.linked', digest, size, inc, ...origin, actor: caller.actor.label });
      },
    });
  }

  #mayShare(source: RepositoryName, repo: RepositoryName, caller: Caller): boolean {
    return source === repo || this.#ports.access.mayPullUnnamed(caller, source);
  }

  /**
   * The source of a link, for its event. Readers of this repository's log may not be allowed to know the source, so it is named only if
   * anonymous clients may pull from it (docs/decisions/0051).
   */
  #origin(source: RepositoryName, repo: RepositoryName): { readonly from?: RepositoryName } {
    return source !== repo && this.#ports.access.mayPullUnnamed(ANONYMOUS_CALLER, source) ? { from: source } : {};
  }

  /**
   * The repository that the digest's hint names. As for a source that the client names, the right to pull is checked before the lookup:
   * a client that mounts has not proved that it has the bytes, and a token for one repository must not read another.
   */
  async #sourceFor(digest: Digest, caller: Caller): Promise<RepositoryName | undefined> {
    const source = (await readHint(this.#ports.driver, digest))?.repo;
    return source !== undefined && this.#ports.access.allows(caller, 'pull', source) ? source : undefined;
  }

  /** Whether the repository links the digest and its bytes are stored. */
  async isLinked(repo: RepositoryName, digest: Digest): Promise<boolean> {
    const answer = await this.#ports.projection.blob(repo, digest);
    const link = answer.kind === 'known' ? answer.value : undefined;
    return link !== undefined && (await this.#hasBytes(link.inc, link.size));
  }

  /** The repository's existing link; undefined if its bytes are missing, so that other bytes get linked. */
  async #presentLink(facts: RepositoryFacts, digest: Digest): Promise<BlobLink | undefined> {
    const link = facts.blob(digest);
    return link !== undefined && (await this.#hasBytes(link.inc, link.size)) ? link : undefined;
  }

  /** Renews an old link, because the client must be able to push its manifest before garbage collection removes the blob. */
  #renewal(facts: RepositoryFacts, digest: Digest, link: BlobLink): JournalEvent[] {
    const times = { now: this.#ports.now(), grace: this.#ports.grace };
    return needsRenewal({ link, references: facts.references(digest) }, times) ? [renewal(digest, link)] : [];
  }

  #hasBytes(inc: Incarnation, size: number): Promise<boolean> {
    return hasBytes(inc, size, this.#ports);
  }

  #mayLink(inc: Incarnation, size: number): Promise<boolean> {
    return mayLink(this.#ports.driver, inc, size, { now: this.#ports.now(), grace: this.#ports.grace });
  }
}

/** The hint, if the log of its repository still links its incarnation and the bytes are stored. */
export async function sharedBytes(
  wanted: Omit<StoredBytes, 'inc'> & { readonly inc?: Incarnation },
  hint: Hint,
  ports: Pick<RegistryPorts, 'driver' | 'projection'>,
): Promise<Hint | undefined> {
  if (hint.size !== wanted.size || hint.inc === wanted.inc) return undefined;
  const answer = await ports.projection.blob(hint.repo, wanted.digest);
  const link = answer.kind === 'known' ? answer.value : undefined;
  return link?.inc === hint.inc && (await hasBytes(hint.inc, hint.size, ports)) ? hint : undefined;
}

export async function hasBytes(
  inc: Incarnation,
  size: number,
  { driver }: Pick<RegistryPorts, 'driver'>,
): Promise<boolean> {
  return (await driver.head(dataKey(inc)))?.size === size;
}

/** Ignores a full store when a hint is written: the blob is already linked, and a missing hint only costs an upload. */
export function ignoreFull(error: unknown): void {
  if (!(error instanceof RegistryError && error.kind === 'storage-full')) throw error;
}
