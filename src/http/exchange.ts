import { type Actor, anonymous } from '../access/access.ts';
import { RegistryError, Unanswered } from '../oci/errors.ts';
import type { AccessEntry, Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { type Address, addressOf, unknownAddress } from './address.ts';
import type { HandlerPorts, RequestContext, Seen } from './context.ts';
import { dispatch } from './dispatch.ts';
import { renderError } from './errors.ts';

export interface ServerPorts extends HandlerPorts {
  readonly logger: Logger;
  readonly access: (entry: AccessEntry) => void;
  readonly telemetry: Telemetry;
  /** Why no new request may be served, undefined while they may. */
  readonly notReady: () => string | undefined;
  readonly version: string;
}

export type BunServer = Bun.Server<unknown> | null;

/** Seconds of silence after which Bun closes a connection that waits for a request, or that does not take its response. */
export const IDLE_SECONDS = 60;

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
  return answer instanceof Promise
    ? answer.catch((error: unknown) => exchange.failed(error)).then((response) => exchange.finish(response))
    : exchange.finish(answer);
}

/** One request from its arrival to its line in the log. */
class Exchange implements RequestContext {
  readonly request: Request;
  readonly id = nextRequestId();
  readonly seen: Seen = { digest: undefined, received: 0, sent: 0 };
  readonly #server: BunServer;
  readonly #ports: ServerPorts;
  readonly #begun = performance.now();
  #address: Address | undefined;
  #keptOpen = false;

  constructor(request: Request, server: BunServer, ports: ServerPorts) {
    this.request = request;
    this.#server = server;
    this.#ports = ports;
    ports.telemetry.requests.begin();
  }

  // Getters: few requests need these functions, and each gets its own.
  get actor(): () => Actor {
    return () => anonymous(this.#ports.proxies.client(this.#peer(), this.request.headers));
  }

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

  #peer(): string | undefined {
    return this.#server?.requestIP(this.request)?.address;
  }

  answer(): Response | Promise<Response> {
    const { request } = this;
    const reason = this.#ports.notReady();
    if (reason !== undefined) throw new RegistryError('unavailable', `${reason}: try again`);
    const { url } = request;
    checkHost(request, url);
    const address = addressOf(request.method, url);
    this.#address = address;
    this.seen.digest = address.digest;
    return dispatch(address.route, this, this.#ports);
  }

  failed(error: unknown): Response {
    const { method } = this.request;
    const response = failed(error, this.#ports, { requestId: this.id, method, head: method === 'HEAD' });
    this.seen.sent = Number(response.headers.get('content-length'));
    return response;
  }

  finish(response: Response): Response {
    const { id, request, seen } = this;
    // It belongs to the connection: what is idle afterwards, or never ends its body, would stay for ever.
    if (this.#keptOpen) this.#server?.timeout(request, IDLE_SECONDS);
    const { asked } = this.#address ?? unknownAddress(request.method, request.url);
    const { status } = response;
    const sent = asked.method === 'HEAD' ? 0 : seen.sent;
    const milliseconds = performance.now() - this.#begun;
    this.#ports.telemetry.requests.end(asked.route, status, milliseconds / 1000, seen.received, sent);
    this.#ports.access({
      requestId: id,
      asked,
      digest: seen.digest,
      status,
      bytesIn: seen.received,
      bytesOut: sent,
      milliseconds,
    });
    return response;
  }
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
    telemetry.storageFailed(whatFailed(error));
    logger.error({ requestId: about.requestId, method: about.method, err: error }, 'a request failed');
  }
  return response;
}

function whatFailed(error: unknown): string {
  if (error instanceof Unanswered) return 'unanswered';
  return error instanceof RegistryError ? error.kind : 'unexpected';
}
