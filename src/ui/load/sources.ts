import type { AccessPolicy, Caller } from '../../access/access.ts';
import type { ChangesForCallers } from '../../feed/feed.ts';
import type { Inspection } from '../../inspection/interface.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { Overview } from '../../overview/interface.ts';
import type { History } from '../../past/interface.ts';
import type { PastNames } from '../../past/past-names.ts';
import type { Pins } from '../../pins/interface.ts';
import type { Registry } from '../../registry/interface.ts';
import type { RetentionView } from '../../retention/interface.ts';
import type { Actions } from './actions.ts';

/** Where the data of pages comes from. Every call has the visitor as its caller, and the same rules apply as for the API. */
export interface Sources {
  readonly registry: Registry;
  readonly history: History;
  readonly inspection: Inspection;
  readonly overview: Overview;
  readonly retention: RetentionView;
  readonly pins: Pins;
  readonly changes: ChangesForCallers;
  readonly policy: AccessPolicy;
  /** The names of repositories as they were. */
  readonly names: PastNames;
  readonly actionsIn: (repo: RepositoryName, caller: Caller) => Actions;
}
