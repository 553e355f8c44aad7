import type { Caller } from '../access/access.ts';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import { mayBePast } from '../past/past-names.ts';
import type { Blob, Delivery, Manifest, Reference, Registry, ResolvedManifest } from '../registry/interface.ts';
import { Forwarding } from './forwarding.ts';

/** Content of the registry that this one is a replica of. Each answer is undefined if that registry does not have it. */
export interface SourceContent {
  /** @throws RegistryError `unavailable` if the source does not answer and this replica may not have everything yet */
  blob(repo: RepositoryName, digest: Digest, caller: Caller): Promise<Blob | undefined>;
  blobSize(repo: RepositoryName, digest: Digest, caller: Caller): Promise<number | undefined>;
  manifest(repo: RepositoryName, reference: Reference, caller: Caller): Promise<Manifest | undefined>;
  /** For content that the source is not asked for. @throws RegistryError `unavailable` if this replica may not have everything yet */
  unasked(): Promise<undefined>;
}

/** Errors of content that is not here, or whose bytes are not. */
const ABSENT: ReadonlySet<ErrorKind> = new Set([
  ...(['name-unknown', 'manifest-unknown', 'blob-unknown', 'content-damaged'] as const),
]);

/**
 * Serves what a replica does not have from its source, and stores nothing: the follower copies it, and asks the source again for what
 * that once lacked (replica/missing-bytes.ts). Lists show only what the replica has.
 */
export class FromSource extends Forwarding {
  readonly #source: SourceContent;
  readonly #isReplica: () => boolean;

  /** @param isReplica false once the store was promoted: then nothing is asked for any more */
  constructor(inner: Registry, source: SourceContent, isReplica: () => boolean) {
    super(inner);
    this.#source = source;
    this.#isReplica = isReplica;
  }

  override getBlob(
    repo: RepositoryName,
    digest: Digest,
    caller: Caller,
    delivery?: Delivery,
  ): ReturnType<Registry['getBlob']> {
    return this.#orElse(
      repo,
      () => this.inner.getBlob(repo, digest, caller, delivery),
      () => this.#source.blob(repo, digest, caller),
    );
  }

  override resolveBlob(repo: RepositoryName, digest: Digest, caller: Caller): ReturnType<Registry['resolveBlob']> {
    return this.#orElse(
      repo,
      () => this.inner.resolveBlob(repo, digest, caller),
      async () => {
        const size = await this.#source.blobSize(repo, digest, caller);
        return size === undefined ? undefined : { size };
      },
    );
  }

  override getManifest(
    repo: RepositoryName,
    reference: Reference,
    caller: Caller,
  ): ReturnType<Registry['getManifest']> {
    return this.#orElse(
      repo,
      () => this.inner.getManifest(repo, reference, caller),
      () => this.#source.manifest(repo, reference, caller),
    );
  }

  override resolveManifest(
    repo: RepositoryName,
    reference: Reference,
    caller: Caller,
  ): ReturnType<Registry['resolveManifest']> {
    return this.#orElse<ResolvedManifest>(
      repo,
      () => this.inner.resolveManifest(repo, reference, caller),
      async () => (await this.#source.manifest(repo, reference, caller))?.descriptor,
    );
  }

  /** @throws the first error if the source does not have it either */
  #orElse<T>(repo: RepositoryName, here: () => T | Promise<T>, there: () => Promise<T | undefined>): T | Promise<T> {
    const instead = async (error: unknown): Promise<T> => {
      if (!(error instanceof RegistryError && ABSENT.has(error.kind) && this.#isReplica())) throw error;
      // The source would show the past of a repository that this caller may not pull, if its PAST_PREFIX is another one than here.
      const found = mayBePast(repo) ? await this.#source.unasked() : await there();
      if (found === undefined) throw error;
      return found;
    };
    try {
      const answer = here();
      return answer instanceof Promise ? answer.catch(instead) : answer;
    } catch (error) {
      return instead(error);
    }
  }
}
