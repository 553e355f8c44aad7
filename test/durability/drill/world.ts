import type { History } from '../../support/drill/history.ts';
import type { Life } from './node.ts';
import type { Upload } from './upload.ts';

/** What the clients of a lane know of a manifest that they pushed, or tried to push. */
export interface KnownManifest {
  readonly digest: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** Blobs that must be there to pull it; empty for an index. */
  readonly blobs: readonly string[];
}

/** A blob whose bytes some repository surely has: for mounts, and for pushing the same bytes somewhere else. */
export interface SharedBlob {
  readonly repository: string;
  readonly digest: string;
  readonly bytes: Uint8Array;
}

/** The one folder of a lane, as its clients know it. It outlives the servers that are killed over it. */
export interface World {
  readonly history: History;
  /** Every manifest that was ever sent, by digest. */
  readonly manifests: Map<string, KnownManifest>;
  /** Manifests by repository whose blobs were all acknowledged there, so that pushing them again must succeed. */
  readonly pushable: Map<string, KnownManifest[]>;
  /** The newest of them; older ones are forgotten, so that memory stays small. */
  readonly shared: SharedBlob[];
  /** Uploads that are not finished yet, whoever began them; one that a client is working on is not among `idle`. */
  readonly uploads: Set<Upload>;
  readonly idle: Upload[];
  /** Locations of uploads that were finished or cancelled since the last kill. */
  readonly ended: string[];
  freshRepositories: number;
}

/** A client's view of one life. */
export interface Session {
  readonly world: World;
  readonly life: Life;
}

export function remember<T>(list: T[], item: T, most: number): void {
  list.push(item);
  if (list.length > most) list.shift();
}
