import type { Caller } from '../access/access.ts';
import type { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import type { Reference, Registry } from '../registry/interface.ts';
import type { WriteSwitch } from '../registry/write-switch.ts';
import { Forwarding } from './forwarding.ts';

type Writes = Pick<WriteSwitch, 'state' | 'refusal' | 'refused'>;

/**
 * Refuses writes while the registry is read-only. While writes are only paused, sessions that were already open may finish, so a
 * client that has sent most of a large layer need not send it again later. New sessions and manifests are refused.
 */
export class ReadOnly extends Forwarding {
  readonly #writes: Writes;

  constructor(inner: Registry, writes: Writes) {
    super(inner);
    this.#writes = writes;
  }

  /** HEAD only resolves the blob. No collection runs while writes are off, so the link need not be renewed. */
  override renewBlob(repo: RepositoryName, digest: Digest, caller: Caller): ReturnType<Registry['renewBlob']> {
    return this.#writes.state === 'writable'
      ? this.inner.renewBlob(repo, digest, caller)
      : this.inner.resolveBlob(repo, digest, caller);
  }

  override renewManifest(
    repo: RepositoryName,
    reference: Reference,
    caller: Caller,
  ): ReturnType<Registry['renewManifest']> {
    return this.#writes.state === 'writable'
      ? this.inner.renewManifest(repo, reference, caller)
      : this.inner.resolveManifest(repo, reference, caller);
  }

  override async pushBlob(...call: Parameters<Registry['pushBlob']>): Promise<void> {
    this.#requireWritable();
    await this.inner.pushBlob(...call);
  }

  override async startUpload(...call: Parameters<Registry['startUpload']>): ReturnType<Registry['startUpload']> {
    this.#requireWritable();
    return await this.inner.startUpload(...call);
  }

  override async appendToUpload(
    ...call: Parameters<Registry['appendToUpload']>
  ): ReturnType<Registry['appendToUpload']> {
    this.#requireUploadsMayEnd();
    return await this.inner.appendToUpload(...call);
  }

  override async closeUpload(...call: Parameters<Registry['closeUpload']>): Promise<void> {
    this.#requireUploadsMayEnd();
    await this.inner.closeUpload(...call);
  }

  override async cancelUpload(...call: Parameters<Registry['cancelUpload']>): Promise<void> {
    this.#requireUploadsMayEnd();
    await this.inner.cancelUpload(...call);
  }

  override async mountBlob(...call: Parameters<Registry['mountBlob']>): Promise<boolean> {
    this.#requireWritable();
    return await this.inner.mountBlob(...call);
  }

  override async pushManifest(...call: Parameters<Registry['pushManifest']>): ReturnType<Registry['pushManifest']> {
    this.#requireWritable();
    return await this.inner.pushManifest(...call);
  }

  override async deleteBlob(...call: Parameters<Registry['deleteBlob']>): Promise<void> {
    this.#requireWritable();
    await this.inner.deleteBlob(...call);
  }

  override async deleteManifest(...call: Parameters<Registry['deleteManifest']>): Promise<void> {
    this.#requireWritable();
    await this.inner.deleteManifest(...call);
  }

  override async deleteTag(...call: Parameters<Registry['deleteTag']>): Promise<void> {
    this.#requireWritable();
    await this.inner.deleteTag(...call);
  }

  override refusalOf(...call: Parameters<Registry['refusalOf']>): RegistryError | undefined {
    return this.#writes.refused ?? this.inner.refusalOf(...call);
  }

  #requireWritable(): void {
    const { refused } = this.#writes;
    if (refused !== undefined) throw refused;
  }

  #requireUploadsMayEnd(): void {
    const { state } = this.#writes;
    if (state === 'read-only' || state === 'replica') throw this.#writes.refusal(state);
  }
}
