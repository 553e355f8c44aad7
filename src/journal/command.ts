import type { RegistryError } from '../oci/errors.ts';
import type { JournalEvent } from './events.ts';
import type { RepositoryFacts } from './state.ts';

/** What a command comes to, looking at the state it is decided on. Without events there is nothing to write. */
export type Decision<T> =
  | { readonly kind: 'accepted'; readonly events: readonly JournalEvent[]; readonly result: T }
  | { readonly kind: 'refused'; readonly error: RegistryError };

/**
 * A wish to change a repository. `decide` depends on nothing but the facts it is given, except where the linker's rule (DESIGN
 * 8) makes it look at storage first, which is why it may be a promise. It is asked again when somebody else took the slot.
 */
export interface Command<T> {
  decide(facts: RepositoryFacts): Decision<T> | Promise<Decision<T>>;
}

export function accept<T>(result: T, ...events: readonly JournalEvent[]): Decision<T> {
  return { kind: 'accepted', events, result };
}

export function refuse(error: RegistryError): Decision<never> {
  return { kind: 'refused', error };
}
