import type { Actor } from '../access/access.ts';
import { accept, type Decision, refuse } from '../journal/command.ts';
import type { RepositoryFacts } from '../journal/state.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, Incarnation, RepositoryName } from '../oci/names.ts';
import type { ObjectBody } from '../storage/driver.ts';
import { dataKey } from '../storage/paths.ts';
import { SMALL_BLOB_BYTES } from './content-cache.ts';
import { known, nameUnknown } from './existence.ts';
import type { RegistryPorts } from './ports.ts';

/** A blob that is there, and how to send it. */
export interface OpenBlob {
  readonly size: number;
  readonly body: { readonly kind: 'bytes'; readonly bytes: Uint8Array<ArrayBuffer> } | ObjectBody;
}

export class Blobs {
  readonly #ports: RegistryPorts;

  constructor(ports: RegistryPorts) {
    this.#ports = ports;
  }

  /** @throws RegistryError `name-unknown`, `blob-unknown`; `content-damaged` when its bytes are gone or of another length */
  async stat(repo: RepositoryName, digest: Digest): Promise<{ readonly size: number; readonly inc: Incarnation }> {
    const answer = this.#ports.projection.blob(repo, digest);
    const link = known(repo, answer instanceof Promise ? await answer : answer);
    if (link === undefined) throw blobUnknown(repo, digest);
    return link;
  }

  /** As `stat`, with its bytes. */
  async open(repo: RepositoryName, digest: Digest): Promise<OpenBlob> {
    const { size, inc } = await this.stat(repo, digest);
    if (size <= SMALL_BLOB_BYTES) return { size, body: { kind: 'bytes', bytes: await this.#small(digest, size, inc) } };
    const object = await this.#ports.driver.open(dataKey(inc));
    if (object === undefined || object.size !== size) throw damaged(digest);
    return { size, body: object.body };
  }

  async #small(digest: Digest, size: number, inc: Incarnation): Promise<Uint8Array<ArrayBuffer>> {
    const cached = this.#ports.cache.get(inc);
    if (cached !== undefined) return cached;
    const bytes = await this.#ports.driver.read(dataKey(inc));
    if (bytes === undefined || bytes.length !== size) throw damaged(digest);
    const own = new Uint8Array(bytes);
    this.#ports.cache.set(inc, own);
    return own;
  }

  /**
   * Unlinks a blob that no manifest of the repository refers to; its bytes go later.
   * @throws RegistryError `name-unknown`, `blob-unknown`, `blob-referenced`
   */
  delete(repo: RepositoryName, digest: Digest, actor: Actor): Promise<void> {
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
    return this.#ports.projection.submit(repo, { needs: { blobs: [digest], references: [digest] }, decide });
  }
}

export function blobUnknown(repo: RepositoryName, digest: Digest): RegistryError {
  return new RegistryError('blob-unknown', `${repo} has no blob ${digest}`, { digest });
}

function damaged(digest: Digest): RegistryError {
  return new RegistryError(
    'content-damaged',
    `the stored bytes of ${digest} are damaged: push it again, and run fsck`,
    {
      digest,
    },
  );
}
