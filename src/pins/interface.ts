import type { Caller } from '../access/access.ts';
import type { RegistryError } from '../oci/errors.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';

/**
 * Pins of one repository: each keeps everything that the repository had at a moment, whatever is deleted, until it ends. Errors are
 * RegistryErrors: `name-unknown`, `denied` without the right to administer the registry, `request-invalid`, `unavailable`, and those of a
 * registry that does not accept writes.
 */
export interface Pins {
  /** Pins of this repository alone. Callers who administer the registry see those of several repositories, too. */
  list(repo: RepositoryName, caller: Caller): Promise<PinList>;
  /** The error that the caller would get for every pin now; undefined if the caller may pin and unpin. */
  refusalOf(caller: Caller): RegistryError | undefined;
  /** Pins what the repository has now. @returns once it is durable: from then on nothing of it is freed */
  pin(repo: RepositoryName, wanted: WantedPin, caller: Caller): Promise<Pin>;
  /** Ends a pin of this repository alone. What only it kept is garbage from then on. */
  unpin(repo: RepositoryName, id: Incarnation, caller: Caller): Promise<void>;
}

export interface WantedPin {
  /** undefined: one is made up. */
  readonly name: string | undefined;
  /** How long it lasts, in milliseconds. */
  readonly duration: number;
}

export interface PinList {
  /** The newest first. */
  readonly pins: readonly Pin[];
  /** Pins that this version cannot read: it is not known what they keep. */
  readonly unreadable: number;
}

export interface Pin {
  readonly id: Incarnation;
  readonly name: string;
  /** The moment that it keeps, when it was created and when it ends, in milliseconds since 1970. */
  readonly moment: number;
  readonly created: number;
  readonly until: number;
  /** Who created it. */
  readonly by: string;
  /** How many repositories it keeps. */
  readonly repositories: number;
}
