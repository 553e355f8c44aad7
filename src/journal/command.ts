import type { RegistryError } from '../oci/errors.ts';
import type { Digest, Tag } from '../oci/names.ts';
import type { WrittenObject } from '../storage/driver.ts';
import type { JournalEvent } from './events.ts';
import type { RepositoryFacts } from './state.ts';

/** The outcome of a command at one state of the repository. Without events nothing is written. */
export type Decision<T> =
  | { readonly kind: 'accepted'; readonly events: readonly JournalEvent[]; readonly result: T }
  | { readonly kind: 'refused'; readonly error: RegistryError };

/** The facts that a decision may read, besides `exists`. In a cluster exactly these are fetched, in one round trip. */
export interface Needs {
  readonly blobs?: readonly Digest[];
  readonly manifests?: readonly Digest[];
  readonly tags?: readonly Tag[];
  /** Manifests whose tags are needed. */
  readonly tagsOf?: readonly Digest[];
  /** Digests whose number of references is needed. */
  readonly references?: readonly Digest[];
}

/**
 * A request to change a repository. `decide` depends only on the facts it gets, except where the linker's rule (DESIGN 8) makes it
 * look at storage, which is why it may return a promise. It runs again when another writer took the slot.
 */
export interface Command<T> {
  /** Omitted by a command that only needs to know whether the repository exists. */
  readonly needs?: Needs;
  /** The bytes that the events name; omitted when they are durable. They become durable before the slot or together with it. */
  readonly written?: WrittenObject;
  decide(facts: RepositoryFacts): Decision<T> | Promise<Decision<T>>;
}

export function accept<T>(result: T, ...events: readonly JournalEvent[]): Decision<T> {
  return { kind: 'accepted', events, result };
}

export function refuse(error: RegistryError): Decision<never> {
  return { kind: 'refused', error };
}
