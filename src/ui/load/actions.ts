import type { Caller } from '../../access/access.ts';
import type { RegistryError } from '../../oci/errors.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { Pins } from '../../pins/interface.ts';
import type { Registry } from '../../registry/interface.ts';

/** The error that an action would get; undefined if it is offered. */
export type Refusal = RegistryError | undefined;

/**
 * What a visitor may do in one repository. Pages offer only this, and forms are checked against it before they ask anything. A rule
 * about one tag, such as that it is immutable, may still refuse.
 */
export interface Actions {
  /** Set tags that do not exist: copy, undo, restore. */
  readonly addTag: Refusal;
  /** Set tags that exist to another manifest: roll back. */
  readonly moveTag: Refusal;
  readonly deleteTag: Refusal;
  /** Pin, and end pins. */
  readonly pin: Refusal;
}

interface ActionPorts {
  /** With all of its rules. */
  readonly registry: Pick<Registry, 'refusalOf'>;
  readonly pins: Pick<Pins, 'refusalOf'>;
  /** Why the page offers no actions at all. */
  readonly pageRefusal: Refusal;
}

export function actionsIn(repo: RepositoryName, caller: Caller, { registry, pins, pageRefusal }: ActionPorts): Actions {
  return {
    addTag: pageRefusal ?? registry.refusalOf('create', repo, caller),
    moveTag: pageRefusal ?? registry.refusalOf('push', repo, caller),
    deleteTag: pageRefusal ?? registry.refusalOf('delete', repo, caller),
    pin: pageRefusal ?? pins.refusalOf(caller),
  };
}
