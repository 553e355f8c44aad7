import type { History } from '../../support/drill/history.ts';
import type { Life } from './node.ts';
import type { Upload } from './upload.ts';

/** A manifest that clients of a lane pushed, or tried to push. */
export interface KnownManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** Blobs that must exist to pull it; empty for an index. */
  readonly blobs: readonly string[];
}

/** A blob whose bytes some repository certainly has: for mounts, and for pushing the same bytes elsewhere. */
export interface SharedBlob {
  readonly repository: string;
  readonly digest: string;
  readonly bytes: Uint8Array;
}

/** The folder of a lane, as its clients know it. It outlives the servers that are killed on it. */
export interface World {
  readonly history: History;
  /** Every manifest that was ever sent, by digest. */
  readonly manifests: Map<string, KnownManifest>;
  /** Manifests by repository whose blobs were all acknowledged there, so that pushing them again must succeed. */
  readonly pushable: Map<string, KnownManifest[]>;
  /** The newest ones only, to bound memory. */
  readonly shared: SharedBlob[];
  /** Unfinished uploads of all clients that no client is working on. */
  readonly uploads: Set<Upload>;
  readonly idle: Upload[];
  /** Locations of uploads that were finished or cancelled since the last kill. */
  readonly ended: string[];
  freshRepositories: number;
}

/** A client's view of one life of the server. */
export interface Session {
  readonly world: World;
  readonly life: Life;
}

export function remember<T>(list: T[], item: T, max: number): void {
  list.push(item);
  if (list.length > max) list.shift();
}
