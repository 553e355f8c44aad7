import type { RegistryError } from '../oci/errors.ts';
import type { Digest, Tag } from '../oci/names.ts';
import type { JournalEvent } from './events.ts';
import type { RepositoryFacts } from './state.ts';

/** What a command comes to, looking at the state it is decided on. Without events there is nothing to write. */
export type Decision<T> =
  | { readonly kind: 'accepted'; readonly events: readonly JournalEvent[]; readonly result: T }
  | { readonly kind: 'refused'; readonly error: RegistryError };

/** What a decision may ask of the facts beside `exists`: the cluster's view fetches this, and only this, in one round trip. */
export interface Needs {
  readonly blobs?: readonly Digest[];
  readonly manifests?: readonly Digest[];
  readonly tags?: readonly Tag[];
  /** Manifests whose tags are asked for. */
  readonly tagsOf?: readonly Digest[];
  /** Digests of which is asked how many manifests refer to them. */
  readonly references?: readonly Digest[];
}

/**
 * A wish to change a repository. `decide` depends on nothing but the facts it is given, except where the linker's rule (DESIGN
 * 8) makes it look at storage first, which is why it may be a promise. It is asked again when somebody else took the slot.
 */
export interface Command<T> {
  /** Left out by a command that asks nothing but whether the repository exists. */
  readonly needs?: Needs;
  /**
   * Resolves when the bytes that the events name are durable; left out when they are already. The slot is written meanwhile, but
   * gets its name only after it, so that the two wait for the disk together.
   */
  readonly durable?: Promise<void>;
  decide(facts: RepositoryFacts): Decision<T> | Promise<Decision<T>>;
}

export function accept<T>(result: T, ...events: readonly JournalEvent[]): Decision<T> {
  return { kind: 'accepted', events, result };
}

export function refuse(error: RegistryError): Decision<never> {
  return { kind: 'refused', error };
}
