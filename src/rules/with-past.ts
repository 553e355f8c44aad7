import type { Caller } from '../access/access.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import type { PastNames } from '../past/past-names.ts';
import type {
  Delivery,
  Lister,
  PageRequest,
  Reader,
  Reference,
  ReferrersRequest,
  Registry,
} from '../registry/interface.ts';
import { Forwarding } from './forwarding.ts';

/**
 * Reads names under the prefix of the past that have no moment. An earlier version may have stored something there. If not, the name was
 * meant for the past, and the answer says how a moment is written.
 */
class MistypedMoments extends Forwarding {
  readonly #prefix: string;

  constructor(inner: Registry, prefix: string) {
    super(inner);
    this.#prefix = prefix;
  }

  override async getBlob(...call: Parameters<Registry['getBlob']>): Promise<Awaited<ReturnType<Registry['getBlob']>>> {
    return await this.#explained(call[0], () => this.inner.getBlob(...call));
  }

  override async getManifest(
    ...call: Parameters<Registry['getManifest']>
  ): Promise<Awaited<ReturnType<Registry['getManifest']>>> {
    return await this.#explained(call[0], () => this.inner.getManifest(...call));
  }

  override async tags(...call: Parameters<Registry['tags']>): Promise<Awaited<ReturnType<Registry['tags']>>> {
    return await this.#explained(call[0], () => this.inner.tags(...call));
  }

  override async repositories(
    ...call: Parameters<Registry['repositories']>
  ): Promise<Awaited<ReturnType<Registry['repositories']>>> {
    return await this.#explained(call[2], () => this.inner.repositories(...call));
  }

  async #explained<T>(repo: RepositoryName | undefined, read: () => T | Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof RegistryError) || error.kind !== 'name-unknown') throw error;
      const moments = `${this.#prefix}/20261128t101500z/ (UTC), or ${this.#prefix}/20261128/ for the end of a day`;
      throw new RegistryError(
        'name-unknown',
        `${repo} names no moment of the past: it is written ${moments}, before the name of a repository`,
        error.detail,
      );
    }
  }
}

/**
 * Serves the past of the registry under names that begin with PAST_PREFIX, and refuses every write under such a name: nothing can be
 * changed in the past, and a repository of today would hide it.
 */
export class WithPast extends Forwarding {
  readonly #past: Reader & Lister;
  readonly #mistyped: Reader & Lister;
  readonly #names: PastNames;

  constructor(inner: Registry, past: Reader & Lister, names: PastNames) {
    super(inner);
    this.#past = past;
    this.#mistyped = new MistypedMoments(inner, names.prefix);
    this.#names = names;
  }

  override getBlob(
    repo: RepositoryName,
    digest: Digest,
    caller: Caller,
    delivery?: Delivery,
  ): ReturnType<Registry['getBlob']> {
    return this.#of(repo).getBlob(repo, digest, caller, delivery);
  }

  override resolveBlob(repo: RepositoryName, digest: Digest, caller: Caller): ReturnType<Registry['resolveBlob']> {
    return this.#of(repo).resolveBlob(repo, digest, caller);
  }

  override getManifest(
    repo: RepositoryName,
    reference: Reference,
    caller: Caller,
  ): ReturnType<Registry['getManifest']> {
    return this.#of(repo).getManifest(repo, reference, caller);
  }

  override resolveManifest(
    repo: RepositoryName,
    reference: Reference,
    caller: Caller,
  ): ReturnType<Registry['resolveManifest']> {
    return this.#of(repo).resolveManifest(repo, reference, caller);
  }

  /** No push depends on what is in the past, so nothing is renewed there. */
  override renewBlob(repo: RepositoryName, digest: Digest, caller: Caller): ReturnType<Registry['renewBlob']> {
    return this.#isPast(repo)
      ? this.#past.resolveBlob(repo, digest, caller)
      : this.inner.renewBlob(repo, digest, caller);
  }

  override renewManifest(
    repo: RepositoryName,
    reference: Reference,
    caller: Caller,
  ): ReturnType<Registry['renewManifest']> {
    return this.#isPast(repo)
      ? this.#past.resolveManifest(repo, reference, caller)
      : this.inner.renewManifest(repo, reference, caller);
  }

  override tags(repo: RepositoryName, page: PageRequest, caller: Caller): ReturnType<Registry['tags']> {
    return this.#of(repo).tags(repo, page, caller);
  }

  override repositories(
    page: PageRequest,
    caller: Caller,
    base?: RepositoryName,
  ): ReturnType<Registry['repositories']> {
    if (base === undefined || !this.#names.isReserved(base)) return this.inner.repositories(page, caller, base);
    const reader = this.#names.parseBase(base) === undefined ? this.#mistyped : this.#past;
    return reader.repositories(page, caller, base);
  }

  override referrers(
    repo: RepositoryName,
    subject: Digest,
    request: ReferrersRequest,
    caller: Caller,
  ): ReturnType<Registry['referrers']> {
    return this.#of(repo).referrers(repo, subject, request, caller);
  }

  override async pushBlob(...call: Parameters<Registry['pushBlob']>): Promise<void> {
    this.#requirePresent(call[0]);
    await this.inner.pushBlob(...call);
  }

  override async startUpload(...call: Parameters<Registry['startUpload']>): ReturnType<Registry['startUpload']> {
    this.#requirePresent(call[0]);
    return await this.inner.startUpload(...call);
  }

  /** A client uploads instead of mounting from the past. */
  override async mountBlob(...call: Parameters<Registry['mountBlob']>): Promise<boolean> {
    const [repo, , from] = call;
    this.#requirePresent(repo);
    return from !== undefined && this.#isPast(from) ? false : await this.inner.mountBlob(...call);
  }

  override async pushManifest(...call: Parameters<Registry['pushManifest']>): ReturnType<Registry['pushManifest']> {
    this.#requirePresent(call[0]);
    return await this.inner.pushManifest(...call);
  }

  override async deleteBlob(...call: Parameters<Registry['deleteBlob']>): Promise<void> {
    this.#requireDeletable(call[0]);
    await this.inner.deleteBlob(...call);
  }

  override async deleteManifest(...call: Parameters<Registry['deleteManifest']>): Promise<void> {
    this.#requireDeletable(call[0]);
    await this.inner.deleteManifest(...call);
  }

  override async deleteTag(...call: Parameters<Registry['deleteTag']>): Promise<void> {
    this.#requireDeletable(call[0]);
    await this.inner.deleteTag(...call);
  }

  override refusalOf(...call: Parameters<Registry['refusalOf']>): RegistryError | undefined {
    const [write, repo] = call;
    const refusal = write === 'delete' ? this.#undeletable(repo) : this.#unwritable(repo);
    return refusal ?? this.inner.refusalOf(...call);
  }

  #of(repo: RepositoryName): Reader & Lister {
    if (!this.#names.isReserved(repo)) return this.inner;
    return this.#isPast(repo) ? this.#past : this.#mistyped;
  }

  #isPast(repo: RepositoryName): boolean {
    return this.#names.parse(repo) !== undefined;
  }

  #requirePresent(repo: RepositoryName): void {
    const refusal = this.#unwritable(repo);
    if (refusal !== undefined) throw refusal;
  }

  #requireDeletable(repo: RepositoryName): void {
    const refusal = this.#undeletable(repo);
    if (refusal !== undefined) throw refusal;
  }

  #unwritable(repo: RepositoryName): RegistryError | undefined {
    const refusal = this.#undeletable(repo);
    if (refusal !== undefined || !this.#names.isReserved(repo)) return refusal;
    const { prefix } = this.#names;
    return new RegistryError(
      'name-invalid',
      `names that begin with ${prefix}/ stand for the past of the registry: choose another name, or another PAST_PREFIX`,
    );
  }

  /** Content that was pushed under the prefix by an earlier version can be deleted. */
  #undeletable(repo: RepositoryName): RegistryError | undefined {
    if (!this.#isPast(repo)) return undefined;
    return new RegistryError('read-only', `${repo} is in the past, which cannot be changed: use the name without it`);
  }
}
