import type { Caller } from '../access/access.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Reference, Registry } from '../registry/interface.ts';
import type { BodyPace } from './client-clock.ts';
import type { Proxies } from './forwarded.ts';
import type { ManifestLimits } from './manifest-budget.ts';
import type { Route, RouteKind } from './route.ts';

/** What handlers may lean on; the same for all requests. */
export interface HandlerPorts {
  readonly registry: Registry;
  readonly limits: HttpLimits;
  readonly proxies: Proxies;
  /** Whether everybody may pull from the repository, so that shared caches may keep its blobs. */
  readonly isPublic: (repo: RepositoryName) => boolean;
  /** Told of each manifest that a client looks at or gets; left out where nobody asks when they were pulled. */
  readonly pulled?: ((repo: RepositoryName, reference: Reference) => void) | undefined;
}

export interface HttpLimits {
  /** A request body that comes slower is given up. */
  readonly body: BodyPace;
  readonly manifest: ManifestLimits;
  /** Bytes; announced as OCI-Chunk-Min-Length. Smaller chunks are taken all the same. */
  readonly chunkMinLength: number;
  /** Scheme and host that Locations begin with, whatever proxies say; empty: relative ones, unless a trusted proxy says otherwise. */
  readonly publicUrl: string;
}

/** One request on its way through: handlers add what the log line should say. */
export interface RequestContext extends Caller {
  readonly request: Request;
  readonly id: string;
  /** Scheme and host that Locations begin with; empty: relative ones. */
  readonly origin: () => string;
  /** For requests whose body may take long: from here on only our own timers end it. */
  readonly keepOpen: () => void;
  /** An answer whose body lies in a file. */
  readonly sendFile: (answer: FileResponse) => Response | Promise<Response>;
  readonly stats: RequestStats;
}

export interface FileResponse {
  readonly status: 200 | 206;
  readonly headers: Readonly<Record<string, string>>;
  readonly path: string;
  /** Of the whole file, in bytes. */
  readonly size: number;
  /** Where the body begins in the file; it is not empty. */
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

export interface RequestStats {
  digest: string | undefined;
  received: number;
  sent: number;
}

/** The handler of one kind of request: reads what it needs, asks the domain, renders its answer. */
export type Handler<K extends RouteKind> = (
  route: Extract<Route, { kind: K }>,
  context: RequestContext,
  ports: HandlerPorts,
) => Response | Promise<Response>;
