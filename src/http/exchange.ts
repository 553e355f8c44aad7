import { type Actor, ANONYMOUS } from '../access/access.ts';
import { ANONYMOUS_AUTHORITY, type Authority } from '../access/authority.ts';
import { RegistryError, Unanswered } from '../oci/errors.ts';
import type { Senders } from '../sending/senders.ts';
import type { AccessEntry, Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { RequestLabels } from '../telemetry/request-labels.ts';
import { addressOf, targetOf, unknownLabels } from './address.ts';
import type { Admission } from './admission.ts';
import { type BunServer, IDLE_SECONDS } from './bun-server.ts';
import type { FileResponse, HandlerPorts, RequestContext, RequestStats } from './context.ts';
import { dispatch } from './dispatch.ts';
import { renderError } from './errors.ts';
import { handOver } from './hand-over.ts';
import { respond } from './response.ts';
import type { WebOrigins } from './web-origins.ts';

export interface ServerPorts extends HandlerPorts {
  readonly logger: Logger;
  /** Writes the access line of a request; undefined where the log level leaves those out. */
  readonly access: ((entry: AccessEntry) => void) | undefined;
  readonly telemetry: Telemetry;
  readonly webOrigins: WebOrigins;
  readonly admission: Admission;
  /** Why no new request may be served, undefined while they may. */
  readonly notReady: () => string | undefined;
  readonly version: string;
  /** Threads that send big files; left out, the serving thread does. */
  readonly senders: Senders | undefined;
}

/**
 * Answers one request of the API. A response that can be given at once is no promise: a pull out of memory never waits, and
 * each wait costs it time.
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

/** Answers a request that is none of the API with an error: it is counted and logged like any other. */
export function refuse(error: unknown, request: Request, server: BunServer, ports: ServerPorts): Response {
  const exchange = new Exchange(request, server, ports);
  return exchange.finish(exchange.failed(error));
}

const UNKNOWN = Symbol('unknown');

/** One request from its arrival to its line in the log. */
class Exchange implements RequestContext {
  readonly request: Request;
  readonly id = nextRequestId();
  readonly stats: RequestStats = { digest: undefined, received: 0, sent: 0 };
  readonly #server: BunServer;
  readonly #ports: ServerPorts;
  readonly #begun = performance.now();
  /** UNKNOWN until it is first needed: Bun takes longer to say it than to parse the request. */
  #client: string | undefined | typeof UNKNOWN = UNKNOWN;
  /** Headers of every response, whichever code makes it. */
  readonly #headers: Readonly<Record<string, string>>;
  #labels: RequestLabels | undefined;
  #keptOpen = false;
  #waits = false;

  constructor(request: Request, server: BunServer, ports: ServerPorts) {
    this.request = request;
    this.#server = server;
    this.#ports = ports;
    this.#headers = ports.webOrigins.responseHeaders(request);
    ports.telemetry.requests.begin();
  }

  get actor(): Actor {
    return ANONYMOUS;
  }

  get authority(): Authority {
    return ANONYMOUS_AUTHORITY;
  }

  get signal(): AbortSignal {
    return this.request.signal;
  }

  // Getters: few requests need these functions, and each gets its own.
  get origin(): () => string {
    const { limits, proxies } = this.#ports;
    return () => (limits.publicUrl !== '' ? limits.publicUrl : proxies.origin(this.#peer(), this.request.headers));
  }

  get keepOpen(): () => void {
    return () => {
      this.#keptOpen = true;
      this.#server?.timeout(this.request, 0);
    };
  }

  get sendFile(): (answer: FileResponse) => Response | Promise<Response> {
    return (wanted) => {
      // A sending thread writes the head by itself: nothing can be added to its response later.
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

  /** Address of the client, as far as it can be told. Bun forgets it with the connection. */
  get client(): string | undefined {
    if (this.#client === UNKNOWN) this.#client = this.#ports.proxies.client(this.#peer(), this.request.headers);
    return this.#client;
  }

  #peer(): string | undefined {
    return this.#server?.requestIP(this.request)?.address;
  }

  answer(): Response | Promise<Response> {
    const { request } = this;
    const reason = this.#ports.notReady();
    if (reason !== undefined) throw new RegistryError('draining', `${reason}: try again`);
    const { url } = request;
    checkHost(request, url);
    this.#ports.admission.check(this.#server?.pendingRequests ?? 1, this);
    const preflight = this.#ports.webOrigins.preflight(request);
    if (preflight !== undefined) {
      this.#labels = new RequestLabels(request.method, targetOf(url), 'preflight', undefined, undefined);
      return preflight;
    }
    const address = addressOf(request.method, url);
    this.#labels = address.labels;
    this.stats.digest = address.digest;
    this.#ports.webOrigins.checkWrite(request);
    return dispatch(address.route, this, this.#ports);
  }

  /** The response is not there at once: until it is, this request is one of its client's share. */
  wait(): void {
    this.#waits = true;
    this.#ports.admission.enter(this.client);
  }

  failed(error: unknown): Response {
    const response = failed(this.#isOfClient(error) ? clientGone() : error, this.#ports, this.#about());
    this.stats.sent = Number(response.headers.get('content-length'));
    return response;
  }

  /** Whether work ended because its client left: no failure of ours. */
  #isOfClient(error: unknown): boolean {
    return this.request.signal.aborted && error === this.request.signal.reason;
  }

  #about(): { requestId: string; method: string; head: boolean } {
    const { method } = this.request;
    return { requestId: this.id, method, head: method === 'HEAD' };
  }

  finish(response: Response): Response {
    const { id, request, stats } = this;
    if (this.#waits) this.#ports.admission.leave(this.client);
    // It belongs to the connection: what is idle afterwards, or never ends its body, would stay for ever.
    if (this.#keptOpen) this.#server?.timeout(request, IDLE_SECONDS);
    const labels = this.#labels ?? unknownLabels(request.method, request.url);
    const { status } = response;
    for (const name in this.#headers) response.headers.set(name, this.#headers[name] ?? '');
    const sent = labels.method === 'HEAD' ? 0 : stats.sent;
    const milliseconds = performance.now() - this.#begun;
    this.#ports.telemetry.requests.end(labels.route, status, milliseconds / 1000, stats.received, sent);
    this.#ports.access?.({
      requestId: id,
      client: this.client,
      actor: ANONYMOUS.label,
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
 * The kernel sends the file, without copying it through this process. The store has just opened it; Bun opens it again by its name,
 * before this thread does anything else, since Bun neither closes a descriptor that it is given nor takes a range of it
 * (docs/decisions/0050).
 */
function sendHere({ status, headers, path, start, end }: FileResponse): Response {
  // Bun would name the stored file in this header.
  const unnamed = { ...headers, 'Content-Disposition': 'attachment' };
  return respond(status === 200 ? Bun.file(path) : Bun.file(path).slice(start, end), { status, headers: unnamed });
}

/**
 * "A server MUST respond with a 400 … to any request message that contains more than one Host header field line or a Host header
 * field with an invalid field value" (RFC 9112, section 3.2). Nothing here depends on it, but a proxy in front may.
 */
function checkHost(request: Request, url: string): void {
  const host = request.headers.get('host');
  if (host === null || host === '') return;
  // Bun joins several ones with a comma, and gives no full address for one that cannot be part of it.
  if (host.includes(',') || url.startsWith('/')) {
    throw new RegistryError('request-invalid', 'send one Host header, with the name or address of the registry');
  }
}

const ID_PREFIX = crypto.randomUUID().slice(0, 8);
let requests = 0;

/** Unique among all processes, and cheap: a random prefix and a count. */
function nextRequestId(): string {
  requests++;
  return `${ID_PREFIX}-${requests.toString(36)}`;
}

/** What the client sees of an error; what only the operator may see is logged. */
export function failed(
  error: unknown,
  { logger, telemetry }: ServerPorts,
  about: { requestId: string; method: string; head: boolean } = { requestId: 'none', method: 'none', head: false },
): Response {
  const response = renderError(error, about.head);
  if (response.status >= 500) {
    telemetry.requestFailed(whatFailed(error));
    // An operator's own wish is no failure.
    if (error instanceof RegistryError && error.kind === 'writes-paused') return response;
    logger.error({ requestId: about.requestId, method: about.method, err: error }, 'a request failed');
  }
  return response;
}

function clientGone(): RegistryError {
  return new RegistryError('client-gone', 'the client left before there was an answer');
}

function whatFailed(error: unknown): string {
  if (error instanceof Unanswered) return 'unanswered';
  return error instanceof RegistryError ? error.kind : 'unexpected';
}
