import { type Actor, ANONYMOUS } from '../access/access.ts';
import type { Authenticated } from '../access/authenticator.ts';
import { ANONYMOUS_AUTHORITY, type Authority } from '../access/authority.ts';
import { RegistryError, Unanswered } from '../oci/errors.ts';
import type { FileSender } from '../sending/protocol.ts';
import type { AccessEntry, Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { RequestLabels } from '../telemetry/request-labels.ts';
import { type Address, addressOf, shownTarget, unknownLabels } from './address.ts';
import type { Admission } from './admission.ts';
import { type BunServer, IDLE_SECONDS } from './bun-server.ts';
import { renderChallenge, type TokenService, Unauthorized } from './challenge.ts';
import type { Connection, TlsConnections } from './connection.ts';
import type { FileResponse, HandlerPorts, RequestContext, RequestStats } from './context.ts';
import { dispatch } from './dispatch.ts';
import { renderError } from './errors.ts';
import type { Proxies } from './forwarded.ts';
import type { Gate, Identified } from './gate.ts';
import { handOver } from './hand-over.ts';
import type { PublicAddress } from './public-address.ts';
import type { RequiredAccess } from './required-access.ts';
import { respond } from './response.ts';
import type { Route } from './route.ts';
import { limitedRequest, type SubjectLimits } from './subject-limits.ts';
import type { WebOrigins } from './web-origins.ts';

export interface ServerPorts extends HandlerPorts {
  readonly logger: Logger;
  /** Writes a request's line to the access log; undefined if the log level excludes those. */
  readonly access: ((entry: AccessEntry) => void) | undefined;
  readonly telemetry: Telemetry;
  readonly webOrigins: WebOrigins;
  readonly admission: Admission;
  /** undefined if no subject is limited. */
  readonly subjects: SubjectLimits | undefined;
  readonly proxies: Proxies;
  readonly publicAddress: PublicAddress;
  /** undefined: clients connect without TLS. */
  readonly tls: TlsConnections | undefined;
  /** Headers of every response; undefined: none. */
  readonly commonHeaders: Readonly<Record<string, string>> | undefined;
  /** undefined if access is not restricted. */
  readonly gate: Gate | undefined;
  /** Why new requests are refused; undefined while they are served. */
  readonly notReady: () => string | undefined;
  readonly version: string;
  /** Threads that send large files; without them the serving thread does. */
  readonly senders: FileSender | undefined;
}

/**
 * Answers one request of the API. A response that is ready is returned without a promise, because each await costs a pull from memory
 * measurable time.
 */
export function serve(request: Request, server: BunServer, ports: ServerPorts): Response | Promise<Response> {
  const exchange = new Exchange(request, server, ports);
  let answer: Response | Promise<Response>;
  try {
    answer = exchange.answer();
  } catch (error) {
    answer = exchange.failed(error);
  }
  if (!(answer instanceof Promise)) return exchange.finish(answer);
  exchange.wait();
  return answer.catch((error: unknown) => exchange.failed(error)).then((response) => exchange.finish(response));
}

/** Answers a request outside the API with an error. It is counted and logged like any other. */
export function refuse(error: unknown, request: Request, server: BunServer, ports: ServerPorts): Response {
  const exchange = new Exchange(request, server, ports);
  return exchange.finish(exchange.failed(error));
}

/** Serves resources outside the API, such as the metrics, to callers with access. Without access control such requests are not logged. */
export async function serveGuarded(
  request: Request,
  server: BunServer,
  ports: ServerPorts,
  { name, required, answer }: Guarded,
): Promise<Response> {
  const { gate } = ports;
  if (gate === undefined) return await answer();
  const exchange = new Exchange(request, server, ports);
  try {
    await exchange.guard(gate, name, required);
    return exchange.finish(await answer());
  } catch (error) {
    return exchange.finish(exchange.failed(error));
  }
}

interface Guarded {
  /** In log lines and metrics. */
  readonly name: string;
  readonly required: RequiredAccess;
  readonly answer: () => Promise<Response>;
}

const UNKNOWN = Symbol('unknown');

/** One request from its arrival to its line in the log. */
class Exchange implements RequestContext {
  readonly request: Request;
  readonly id = nextRequestId();
  readonly stats: RequestStats = { digest: undefined, received: 0, sent: 0 };
  readonly #server: BunServer;
  readonly #ports: ServerPorts;
  readonly #startedAt = performance.now();
  /** UNKNOWN until it is first needed, because asking Bun for it takes longer than parsing the request. */
  #client: string | undefined | typeof UNKNOWN = UNKNOWN;
  /** Headers that are added to every response. */
  readonly #headers: Readonly<Record<string, string>>;
  #labels: RequestLabels | undefined;
  actor: Actor = ANONYMOUS;
  authority: Authority = ANONYMOUS_AUTHORITY;
  /** Number of the rule that allows this request. */
  #rule: number | undefined;
  #isKeptOpen = false;
  #isCounted = false;
  /** Releases the request's place in the limits of its subject. */
  #leaveSubject: (() => void) | undefined;

  constructor(request: Request, server: BunServer, ports: ServerPorts) {
    this.request = request;
    this.#server = server;
    this.#ports = ports;
    const cors = ports.webOrigins.responseHeaders(request);
    // Usually there are none, and nothing needs to be copied.
    this.#headers = ports.commonHeaders === undefined ? cors : { ...ports.commonHeaders, ...cors };
    ports.telemetry.requests.begin();
  }

  get signal(): AbortSignal {
    return this.request.signal;
  }

  // These are getters because few requests need the functions, and a closure per request costs time.
  get origin(): () => string {
    return () => this.#ports.publicAddress.ofLocations(this.#peer(), this.request);
  }

  get tokenService(): () => TokenService | undefined {
    return () => this.#ports.gate?.tokenService(this.#peer(), this.request);
  }

  get keepOpen(): () => void {
    return () => {
      this.#isKeptOpen = true;
      this.#server?.timeout(this.request, 0);
    };
  }

  get sendFile(): (answer: FileResponse) => Response | Promise<Response> {
    return (wanted) => {
      // A sending thread writes the response head itself, so no header can be added later.
      const answer = { ...wanted, headers: { ...wanted.headers, ...this.#headers } };
      const handed = handOver(answer, {
        request: this.request,
        server: this.#server,
        stats: this.stats,
        senders: this.#ports.senders,
        failed: (message) => failed(new Error(message), this.#ports, { ...this.#about(), head: true }),
      });
      return handed ?? sendHere(answer);
    };
  }

  /** Address of the client, as far as it is known. Bun knows it only while the connection is open. */
  get client(): string | undefined {
    if (this.#client === UNKNOWN) this.#client = this.#ports.proxies.client(this.#peer(), this.request.headers);
    return this.#client;
  }

  get certificate(): Authenticated | undefined {
    return this.#behindTls()?.certificate;
  }

  /** `client` for authenticators, which need it only to count wrong attempts. */
  get address(): string | undefined {
    return this.client;
  }

  #peer(): string | undefined {
    const { tls } = this.#ports;
    return tls === undefined ? this.#server?.requestIP(this.request)?.address : this.#behindTls()?.address;
  }

  /** The client behind a TLS thread; undefined without TLS, or if no thread has announced the connection. */
  #behindTls(): Connection | undefined {
    const { tls } = this.#ports;
    const peer = tls === undefined ? null : this.#server?.requestIP(this.request);
    return peer ? tls?.of(peer) : undefined;
  }

  answer(): Response | Promise<Response> {
    const { request } = this;
    const reason = this.#ports.notReady();
    if (reason !== undefined) throw new RegistryError('draining', `${reason}: try again`);
    const { url } = request;
    checkHost(request, url);
    this.#checkConnection();
    this.#ports.admission.check(this.#server?.pendingRequests ?? 1, this);
    const preflight = this.#ports.webOrigins.preflight(request);
    if (preflight !== undefined) {
      this.#labels = new RequestLabels(request.method, shownTarget(url), 'preflight', undefined, undefined);
      return preflight;
    }
    const address = addressOf(request.method, url);
    this.#labels = address.labels;
    this.stats.digest = address.digest;
    this.#ports.webOrigins.checkWrite(request);
    const { gate } = this.#ports;
    if (gate === undefined) return this.#dispatch(address.route);
    const found = gate.identify(this, address.required);
    // Most callers are cached, and need no closure.
    if (found instanceof Promise) return found.then((each) => this.#serve(address, each, gate));
    return this.#serve(address, found, gate);
  }

  #serve({ route, required }: Address, found: Identified, gate: Gate): Response | Promise<Response> {
    this.#admit(found, required, gate);
    return this.#dispatch(route);
  }

  #dispatch(route: Route): Response | Promise<Response> {
    this.#leaveSubject = this.#ports.subjects?.enter(limitedRequest(route, this));
    return dispatch(route, this, this.#ports);
  }

  /** Behind TLS threads this server listens on the loopback interface, where every process of the machine can connect to it. */
  #checkConnection(): void {
    if (this.#ports.tls === undefined || this.#behindTls() !== undefined) return;
    throw new RegistryError('request-invalid', 'this port is for the TLS threads of the registry: use its https port');
  }

  /** @param name of the resource in the log and the metrics */
  async guard(gate: Gate, name: string, required: RequiredAccess): Promise<void> {
    this.#labels = new RequestLabels(this.request.method, shownTarget(this.request.url), name, undefined, undefined);
    this.#checkConnection();
    this.#admit(await gate.identify(this, required), required, gate);
  }

  /** @throws if the request is refused */
  #admit({ actor, authority }: Identified, required: RequiredAccess | undefined, gate: Gate): void {
    this.actor = actor;
    this.authority = authority;
    this.#rule = gate.admit(required, this, this);
  }

  /** Counts this request toward its client's limit until the response is ready. */
  wait(): void {
    this.#isCounted = true;
    this.#ports.admission.enter(this.client);
  }

  failed(error: unknown): Response {
    const shown = this.#isDisconnect(error) ? clientGone() : error;
    const response = failed(shown, this.#ports, { ...this.#about(), challenge: this.#challenge(error) });
    this.stats.sent = Number(response.headers.get('content-length'));
    return response;
  }

  /** Whether the request was aborted because its client disconnected, which is not a failure of the registry. */
  #isDisconnect(error: unknown): boolean {
    return this.request.signal.aborted && error === this.request.signal.reason;
  }

  #challenge(error: unknown): string | undefined {
    const service = error instanceof Unauthorized ? this.tokenService() : undefined;
    return error instanceof Unauthorized && service !== undefined
      ? renderChallenge(error.challenge, service)
      : undefined;
  }

  #about(): { requestId: string; method: string; head: boolean } {
    const { method } = this.request;
    return { requestId: this.id, method, head: method === 'HEAD' };
  }

  finish(response: Response): Response {
    const { id, request, stats } = this;
    if (this.#isCounted) this.#ports.admission.leave(this.client);
    this.#leaveSubject?.();
    // The timeout belongs to the connection. Without it, an idle connection or an unfinished body would stay open for ever.
    if (this.#isKeptOpen) this.#server?.timeout(request, IDLE_SECONDS);
    const labels = this.#labels ?? unknownLabels(request.method, request.url);
    const { status } = response;
    for (const name in this.#headers) response.headers.set(name, this.#headers[name] ?? '');
    const sent = labels.method === 'HEAD' ? 0 : stats.sent;
    const milliseconds = performance.now() - this.#startedAt;
    this.#ports.telemetry.requests.end(labels.route, status, milliseconds / 1000, stats.received, sent);
    this.#ports.access?.({
      requestId: id,
      client: this.client,
      actor: this.actor.label,
      rule: this.#rule,
      labels,
      digest: stats.digest,
      status,
      bytesIn: stats.received,
      bytesOut: sent,
      milliseconds,
    });
    return response;
  }
}

/**
 * Sends a file from this thread: the kernel copies it to the socket. The store has just opened the file. Bun opens it again by name,
 * before this thread does anything else, because Bun does not close a descriptor it is given and cannot send a range of one
 * (docs/decisions/0050).
 */
function sendHere({ status, headers, path, start, end }: FileResponse): Response {
  // Bun would otherwise put the name of the stored file into this header.
  const unnamed = { ...headers, 'Content-Disposition': 'attachment' };
  return respond(status === 200 ? Bun.file(path) : Bun.file(path).slice(start, end), { status, headers: unnamed });
}

/**
 * "A server MUST respond with a 400 … to any request message that contains more than one Host header field line or a Host header
 * field with an invalid field value" (RFC 9112, section 3.2). Marina does not depend on it, but a proxy in front of it may.
 */
function checkHost(request: Request, url: string): void {
  const host = request.headers.get('host');
  if (host === null || host === '') return;
  // Bun joins several Host headers with a comma. If the value cannot be part of a URL, Bun's URL is only a path.
  if (host.includes(',') || url.startsWith('/')) {
    throw new RegistryError('request-invalid', 'send one Host header, with the name or address of the registry');
  }
}

const ID_PREFIX = crypto.randomUUID().slice(0, 8);
let requests = 0;

/** A random prefix for the process and a counter: unique among all processes, and cheap. */
function nextRequestId(): string {
  requests++;
  return `${ID_PREFIX}-${requests.toString(36)}`;
}

/** Renders an error for the client, and logs the details that only the operator may see. */
export function failed(
  error: unknown,
  { logger, telemetry }: ServerPorts,
  about: { requestId: string; method: string; head: boolean; challenge?: string | undefined } = {
    requestId: 'none',
    method: 'none',
    head: false,
  },
): Response {
  const response = renderError(error, about.head, about.challenge);
  if (response.status >= 500) {
    telemetry.requestFailed(failureOf(error));
    // The operator paused writes on purpose, so this is not logged as a failure.
    if (error instanceof RegistryError && error.kind === 'writes-paused') return response;
    logger.error({ requestId: about.requestId, method: about.method, err: error }, 'a request failed');
  }
  return response;
}

function clientGone(): RegistryError {
  return new RegistryError('client-gone', 'the client disconnected before the response');
}

/** A label for the metrics. */
function failureOf(error: unknown): string {
  if (error instanceof Unanswered) return 'unanswered';
  return error instanceof RegistryError ? error.kind : 'unexpected';
}
