import type { AccessPolicy } from '../../access/access.ts';
import type { History } from '../../past/interface.ts';
import type { Registry } from '../../registry/interface.ts';
import type { ContentReader } from './content-reader.ts';

/** Where the data of pages comes from. Every call has the visitor as its caller, and the same rules apply as for the API. */
export interface Sources {
  readonly registry: Registry;
  readonly history: History;
  readonly contents: ContentReader;
  readonly policy: AccessPolicy;
}
