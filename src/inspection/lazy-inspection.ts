import type { Caller } from '../access/access.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { ManifestAddress } from '../past/comparable.ts';
import type { Reference } from '../registry/interface.ts';
import type { Inspection } from './interface.ts';

/** An inspection that is made at its first use. Clients that push and pull never use it. */
export class LazyInspection implements Inspection {
  readonly #make: () => Promise<Inspection>;
  #made: Promise<Inspection> | undefined;

  /** @param make called again after it has failed */
  constructor(make: () => Promise<Inspection>) {
    this.#make = make;
  }

  async manifest(repo: RepositoryName, reference: Reference, caller: Caller): ReturnType<Inspection['manifest']> {
    return await (await this.#inspection()).manifest(repo, reference, caller);
  }

  async summary(repo: RepositoryName, reference: Reference, caller: Caller): ReturnType<Inspection['summary']> {
    return await (await this.#inspection()).summary(repo, reference, caller);
  }

  async packages(repo: RepositoryName, reference: Reference, caller: Caller): ReturnType<Inspection['packages']> {
    return await (await this.#inspection()).packages(repo, reference, caller);
  }

  async compare(
    from: ManifestAddress,
    to: ManifestAddress,
    options: { readonly platform?: string | undefined },
    caller: Caller,
  ): ReturnType<Inspection['compare']> {
    return await (await this.#inspection()).compare(from, to, options, caller);
  }

  async #inspection(): Promise<Inspection> {
    this.#made ??= this.#make().catch((error: unknown) => {
      this.#made = undefined;
      throw error;
    });
    return await this.#made;
  }
}
