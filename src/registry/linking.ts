import type { Actor, Caller } from '../access/access.ts';
import { accept, type Decision, refuse } from '../journal/command.ts';
import type { JournalEvent } from '../journal/events.ts';
import type { BlobLink, RepositoryFacts } from '../journal/state.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, Incarnation, RepositoryName } from '../oci/names.ts';
import { dataKey } from '../storage/paths.ts';
import { mayLink } from './condemned.ts';
import { type Exclusivity, isExclusive } from './exclusivity.ts';
import { type Hint, readHint, writeHint } from './hints.ts';
import type { RegistryPorts } from './ports.ts';
import { needsRenewal, renewal } from './renewal.ts';

/** Verified bytes that are in the store under a name. */
export interface StoredBytes {
  readonly digest: Digest;
  readonly size: number;
  readonly inc: Incarnation;
}

/** The bytes of an upload that has just been finished. */
export interface UploadedBytes extends StoredBytes {
  readonly exclusivity: Exclusivity;
  /** Resolves when the bytes are durable; left out when they are. */
  readonly durable?: Promise<void>;
}

/** Links digests to stored bytes: after uploads, and by mounts. */
export class Linking {
  readonly #ports: RegistryPorts;

  constructor(ports: RegistryPorts) {
    this.#ports = ports;
  }

  /**
   * Makes uploaded bytes a blob of the repository. If the store already has the same bytes, those are linked instead. Then the
   * uploaded ones are deleted once the client has its response, if they are exclusive.
   * @throws RegistryError `upload-unknown` when a collection has condemned the bytes: the client uploads them again
   */
  async linkUploaded(
    repo: RepositoryName,
    { exclusivity, durable, ...own }: UploadedBytes,
    actor: Actor,
  ): Promise<void> {
    const hint = await readHint(this.#ports.driver, own.digest);
    const shared = hint === undefined ? undefined : await sharedBytes(own, hint, this.#ports);
    const linked = await this.#ports.projection.submit(repo, {
      needs: { blobs: [own.digest], references: [own.digest] },
      ...(durable === undefined ? {} : { durable }),
      decide: async (facts): Promise<Decision<Incarnation>> => {
        const present = await this.#presentLink(facts, own.digest);
        if (present !== undefined) return accept(present.inc, ...this.#renewal(facts, own.digest, present));
        if (shared !== undefined && (await this.#mayLink(shared.inc, own.size))) {
          const from = shared.repo === repo ? {} : { from: shared.repo };
          return accept(shared.inc, { type: 'blob.linked', ...own, inc: shared.inc, ...from, actor: actor.label });
        }
        if (await this.#mayLink(own.inc, own.size))
          return accept(own.inc, { type: 'blob.linked', ...own, actor: actor.label });
        return refuse(new RegistryError('upload-unknown', 'this upload is too old to be finished: begin it again'));
      },
    });
    if (linked !== own.inc && exclusivity.kind !== 'shared') {
      this.#ports.runInBackground('deleting bytes that the store has already', async () => {
        await durable;
        if (await isExclusive(exclusivity)) await this.#ports.driver.delete([dataKey(own.inc)]);
      });
    }
    if (linked !== hint?.inc) {
      await writeHint(this.#ports.driver, own.digest, { inc: linked, size: own.size, repo }).catch(ignoreFull);
    }
  }

  /**
   * Links a blob of another repository, without its bytes travelling.
   * @param from the source, which the caller may pull from; where it is undefined the hint proposes one
   * @returns false when the client must upload: no such source
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
        const origin = source === repo ? {} : { from: source };
        return accept(true, { type: 'blob.linked', digest, size, inc, ...origin, actor: caller.actor.label });
      },
    });
  }

  /** A repository that links the digest, if the hint is right. The right to pull from it comes before the first look at it. */
  async #sourceFor(digest: Digest, caller: Caller): Promise<RepositoryName | undefined> {
    const source = (await readHint(this.#ports.driver, digest))?.repo;
    return source !== undefined && this.#ports.access.mayPullUnnamed(caller, source) ? source : undefined;
  }

  /** Whether the repository links the digest, and its bytes are there. */
  async isLinked(repo: RepositoryName, digest: Digest): Promise<boolean> {
    const answer = await this.#ports.projection.blob(repo, digest);
    const link = answer.kind === 'known' ? answer.value : undefined;
    return link !== undefined && (await this.#hasBytes(link.inc, link.size));
  }

  /** What the repository links already, unless its bytes were lost: then others are linked. */
  async #presentLink(facts: RepositoryFacts, digest: Digest): Promise<BlobLink | undefined> {
    const link = facts.blob(digest);
    return link !== undefined && (await this.#hasBytes(link.inc, link.size)) ? link : undefined;
  }

  /** What a client was told is there must stay until its manifest comes, also when it had been there for long. */
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

/** The hint's incarnation, where the log of the hint's repository still links it and its bytes are there. */
export async function sharedBytes(
  own: Omit<StoredBytes, 'inc'> & { readonly inc?: Incarnation },
  hint: Hint,
  ports: Pick<RegistryPorts, 'driver' | 'projection'>,
): Promise<Hint | undefined> {
  if (hint.size !== own.size || hint.inc === own.inc) return undefined;
  const answer = await ports.projection.blob(hint.repo, own.digest);
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

/** The blob is linked: that there is no room for a hint takes nothing from it. */
export function ignoreFull(error: unknown): void {
  if (!(error instanceof RegistryError && error.kind === 'storage-full')) throw error;
}
