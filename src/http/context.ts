import type { Caller } from '../access/access.ts';
import type { AccessDesk } from '../access/admin/interface.ts';
import type { Authentication } from '../access/authentication.ts';
import type { TokenIssuer } from '../access/tokens/token-issuer.ts';
import type { ChangesForCallers } from '../feed/feed.ts';
import type { Inspection } from '../inspection/interface.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Operations } from '../operations/interface.ts';
import type { Overview } from '../overview/interface.ts';
import type { History } from '../past/interface.ts';
import type { Pins } from '../pins/interface.ts';
import type { Reference, Registry } from '../registry/interface.ts';
import type { LocalSource } from '../replica/interface.ts';
import type { Introduction } from '../replica/protocol.ts';
import type { RetentionView } from '../retention/interface.ts';
import type { TokenService } from './challenge.ts';
import type { BodyPace } from './client-clock.ts';
import type { ManifestLimits } from './manifest-budget.ts';
import type { Route, RouteKind } from './route.ts';
import type { UiPorts } from './ui/ui-ports.ts';

/** What handlers use; the same for all requests. */
export interface HandlerPorts {
  readonly registry: Registry;
  /** What the logs say about the past, for /api/v1. */
  readonly history: History;
  /** Why retention keeps tags and manifests, and what it deletes next. */
  readonly retention: RetentionView;
  /** Slots whose content collections keep, even after clients have deleted it. */
  readonly pins: Pins;
  /** What all repositories have. */
  readonly overview: Overview;
  /** What manifests mean to people. */
  readonly inspection: Inspection;
  readonly changes: ChangesForCallers;
  /** Aborted when this node ends: streams and waits must end, too. */
  readonly ending: AbortSignal;
  /** What replicas of this store read. */
  readonly replication: LocalSource;
  /** Notices replicas, for administrators. */
  readonly replicaWatch: { readonly saw: (replica: Introduction, client: string | undefined) => void };
  /** Accounts and rules, for administrators. */
  readonly accessDesk: AccessDesk;
  /** How this registry runs, for administrators. */
  readonly operations: Operations;
  /** Of Marina. */
  readonly version: string;
  readonly limits: HttpLimits;
  /** Whether anonymous clients may pull from the repository. Only then may shared caches keep its blobs. */
  readonly isPublic: (repo: RepositoryName) => boolean;
  /** Called for each GET and HEAD of a manifest; absent if no retention rule depends on pull times. */
  readonly onPull?: ((repo: RepositoryName, reference: Reference) => void) | undefined;
  /** Undefined if this registry issues no tokens. */
  readonly tokens: TokenPorts | undefined;
  /** Undefined if UI=false. */
  readonly ui: UiPorts | undefined;
}

/** What the token endpoint uses. */
export interface TokenPorts {
  readonly issuer: TokenIssuer;
  /** Checks a password that came in a form. */
  readonly basic: Authentication['basic'];
  /** Whether clients may name this registry so. */
  readonly isService: (service: string) => boolean;
  readonly onIssued: (token: TokenEvent & { readonly actor: string }) => void;
  /** The reason shows nothing of the credentials. */
  readonly onRefused: (
    refusal: TokenEvent & { readonly reason: string; readonly account?: string | undefined },
  ) => void;
}

/** What a token was issued for: nothing at all, the Authorization header or certificate of the request, or what its form has. */
export type TokenGrant = 'none' | 'credentials' | 'password' | 'refresh_token';

interface TokenEvent {
  readonly grant: TokenGrant;
  readonly requestId: string;
  /** Address of the client, as far as it is known. */
  readonly client: string | undefined;
  /** What the client calls itself: any text. */
  readonly clientId: string | undefined;
}

export interface HttpLimits {
  /** A slower request body is aborted. */
  readonly body: BodyPace;
  readonly manifest: ManifestLimits;
  /** Bytes; sent as OCI-Chunk-Min-Length. Smaller chunks are still accepted. */
  readonly chunkMinLength: number;
}

/** The context of one request. Handlers add to `stats` what the access log shows. */
export interface RequestContext extends Caller {
  readonly request: Request;
  readonly id: string;
  /** Address of the client, as far as it is known. */
  readonly client: string | undefined;
  /** Where the client gets tokens; undefined in a registry without accounts. */
  readonly tokenService: () => TokenService | undefined;
  /** Scheme and host of Locations; empty for relative ones. */
  readonly origin: () => string;
  /** Scheme and host by which the client reaches this registry; undefined if there is no trusted host. */
  readonly siteAddress: () => string | undefined;
  /** Whether the client reaches this registry by TLS. */
  readonly isSecure: boolean;
  /** The cookie of a log-in; undefined for requests of the API, which take none. */
  readonly loginToken: string | undefined;
  /** The id of the log-in that authenticated this request. */
  readonly login: string | undefined;
  /** The name that the page shows for the person who has logged in; undefined: it shows the identity. */
  readonly loginName: string | undefined;
  /** Turns off Bun's idle timeout for a request whose body may take long. From then on only our own timers end it. */
  readonly keepOpen: () => void;
  /** Gives the client more time to read a response whose body is not in memory. */
  readonly allowSlowReader: () => void;
  /** Sends a response whose body is a file. */
  readonly sendFile: (response: FileResponse) => Response;
  readonly stats: RequestStats;
  /** Logs a failure that comes when the response has already begun. @returns the response that it would have been */
  failed(error: unknown): Response;
}

export interface FileResponse {
  readonly status: 200 | 206;
  readonly headers: Readonly<Record<string, string>>;
  readonly path: string;
  /** Length of the whole file in bytes. */
  readonly size: number;
  /** Offset in the file at which the body begins. The body is not empty. */
  readonly start: number;
  /** Offset in the file at which the body ends, exclusive. */
  readonly end: number;
}

export interface RequestStats {
  digest: string | undefined;
  received: number;
  sent: number;
}

/** Handles one kind of request: reads the request, calls the registry, and renders the response. */
export type Handler<K extends RouteKind> = (
  route: Extract<Route, { kind: K }>,
  context: RequestContext,
  ports: HandlerPorts,
) => Response | Promise<Response>;
