import type { Actor, Caller } from '../access/access.ts';
import { accept, type Decision, refuse } from '../journal/command.ts';
import type { BlobLink, RepositoryFacts } from '../journal/state.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, Incarnation, RepositoryName } from '../oci/names.ts';
import type { Answer, BlobUse, InRepository } from '../projection/projection.ts';
import { dataKey } from '../storage/paths.ts';
import { SMALL_BLOB_BYTES } from './content-cache.ts';
import type { Blob, Delivery } from './interface.ts';
import type { RegistryPorts } from './ports.ts';
import { needsRenewal, type RenewalTimes, renewal } from './renewal.ts';
import { nameUnknown, requireRepository } from './require-repository.ts';

type FoundIn<T> = InRepository<T | undefined>;

export class Blobs {
  readonly #ports: RegistryPorts;

  constructor(ports: RegistryPorts) {
    this.#ports = ports;
  }

  /** @throws RegistryError `name-unknown`, `blob-unknown` */
  resolve(repo: RepositoryName, digest: Digest): Answer<BlobLink> {
    const answer = this.#ports.projection.blob(repo, digest);
    return answer instanceof Promise ? requireLater(repo, digest, answer) : requireBlob(repo, digest, answer);
  }

  /**
   * Like `resolve`, for a client that skips the upload if the blob exists. An old blob without references is linked again first,
   * because garbage collection could otherwise remove it before the client pushes its manifest.
   * @throws RegistryError as `resolve`; also `blob-unknown` if the link could not be renewed
   */
  renew(repo: RepositoryName, digest: Digest): Answer<BlobLink> {
    const answer = this.#ports.projection.blobUse(repo, digest);
    return answer instanceof Promise
      ? this.#renewLater(repo, digest, answer)
      : this.#renewed(repo, digest, requireBlob(repo, digest, answer));
  }

  async #renewLater(repo: RepositoryName, digest: Digest, answer: Promise<FoundIn<BlobUse>>): Promise<BlobLink> {
    return await this.#renewed(repo, digest, await requireLater(repo, digest, answer));
  }

  #renewed(repo: RepositoryName, digest: Digest, use: BlobUse): Answer<BlobLink> {
    return needsRenewal(use, this.#times()) ? this.#renewLink(repo, digest) : use.link;
  }

  async #renewLink(repo: RepositoryName, digest: Digest): Promise<BlobLink> {
    const decide = (facts: RepositoryFacts): Decision<BlobLink> => {
      const link = facts.blob(digest);
      if (link === undefined) return refuse(blobUnknown(repo, digest));
      const use = { link, references: facts.references(digest) };
      return needsRenewal(use, this.#times()) ? accept(link, renewal(digest, link)) : accept(link);
    };
    try {
      return await this.#ports.projection.submit(repo, { needs: { blobs: [digest], references: [digest] }, decide });
    } catch (error) {
      // The link could not be renewed, so the blob is reported as absent and the client uploads it.
      if (error instanceof RegistryError && error.kind !== 'log-broken') throw blobUnknown(repo, digest);
      throw error;
    }
  }

  #times(): RenewalTimes {
    return { now: this.#ports.now(), grace: this.#ports.grace };
  }

  /** Like `resolve`, with the bytes. @throws RegistryError as `resolve`; `content-damaged` if they are missing or have another length */
  get(repo: RepositoryName, digest: Digest, caller: Caller, delivery: Delivery = 'anywhere'): Answer<Blob> {
    const link = this.resolve(repo, digest);
    const cached = link instanceof Promise ? undefined : this.#fromMemory(link, delivery);
    return cached ?? this.#open(digest, link, caller, delivery);
  }

  /** A small blob that is cached, without a promise or a closure. @returns undefined for any other */
  #fromMemory({ size, inc }: BlobLink, delivery: Delivery): Blob | undefined {
    const { redirectFor, cache } = this.#ports;
    if (size > SMALL_BLOB_BYTES || (redirectFor !== undefined && delivery === 'anywhere')) return undefined;
    const bytes = cache.get(inc);
    return bytes === undefined ? undefined : { size, content: { kind: 'bytes', bytes } };
  }

  async #open(digest: Digest, link: Answer<BlobLink>, caller: Caller, delivery: Delivery): Promise<Blob> {
    const { size, inc } = await link;
    const { redirectFor } = this.#ports;
    if (redirectFor !== undefined && delivery === 'anywhere') return await this.#presigned(size, inc, redirectFor);
    if (size > SMALL_BLOB_BYTES) return await this.#large(digest, size, inc, caller);
    const bytes = this.#ports.cache.get(inc) ?? (await this.#small(digest, size, inc, caller));
    return { size, content: { kind: 'bytes', bytes } };
  }

  /** A URL in the store. It is not checked that the object exists: the store itself answers 404 if it does not. */
  async #presigned(size: number, inc: Incarnation, expires: number): Promise<Blob> {
    const { driver } = this.#ports;
    if (driver.presign === undefined) throw new RegistryError('unavailable', 'clients cannot reach the store');
    const headers = { contentType: 'application/octet-stream' };
    return {
      size,
      content: { kind: 'elsewhere', url: await driver.presign(dataKey(inc), { expires, headers }) },
    };
  }

  async #large(digest: Digest, size: number, inc: Incarnation, { signal }: Caller): Promise<Blob> {
    const object = await this.#ports.openBlob({ digest, size, inc }, signal);
    if (object === undefined || object.size !== size) throw damaged(digest);
    return { size, content: object.body };
  }

  async #small(digest: Digest, size: number, inc: Incarnation, { signal }: Caller): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.#ports.driver.read(dataKey(inc), signal);
    if (bytes === undefined || bytes.length !== size) throw damaged(digest);
    const copy = new Uint8Array(bytes);
    this.#ports.cache.set(inc, copy);
    return copy;
  }

  /**
   * Unlinks a blob that no manifest of the repository refers to. Garbage collection frees the bytes later.
   * @throws RegistryError `name-unknown`, `blob-unknown`, `blob-referenced`
   */
  async delete(repo: RepositoryName, digest: Digest, actor: Actor): Promise<void> {
    const decide = (facts: RepositoryFacts): Decision<void> => {
      const link = facts.blob(digest);
      if (!facts.exists) return refuse(nameUnknown(repo));
      if (link === undefined) return refuse(blobUnknown(repo, digest));
      const references = facts.references(digest);
      if (references > 0) {
        return refuse(
          new RegistryError(
            'blob-referenced',
            `${references} manifest(s) of ${repo} refer to this blob: delete those first, or leave it to garbage collection`,
            { digest },
          ),
        );
      }
      return accept(undefined, { type: 'blob.unlinked', digest, inc: link.inc, actor: actor.label });
    };
    await this.#ports.projection.submit(repo, { needs: { blobs: [digest], references: [digest] }, decide });
  }
}

function requireBlob<T>(repo: RepositoryName, digest: Digest, answer: FoundIn<T>): T {
  const found = requireRepository(repo, answer);
  if (found === undefined) throw blobUnknown(repo, digest);
  return found;
}

async function requireLater<T>(repo: RepositoryName, digest: Digest, answer: Promise<FoundIn<T>>): Promise<T> {
  return requireBlob(repo, digest, await answer);
}

export function blobUnknown(repo: RepositoryName, digest: Digest): RegistryError {
  return new RegistryError('blob-unknown', `${repo} has no blob ${digest}`, { digest });
}

function damaged(digest: Digest): RegistryError {
  return new RegistryError(
    'content-damaged',
    `the stored bytes of ${digest} are damaged: an operator can repair them with fsck --scrub --repair`,
    {
      digest,
    },
  );
}
