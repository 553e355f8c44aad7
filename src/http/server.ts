import { Elysia } from 'elysia';
import { anonymous } from '../access/access.ts';
import { RegistryError } from '../oci/errors.ts';
import type { AccessEntry, Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import type { HandlerPorts, RequestContext, Seen } from './context.ts';
import { dispatch } from './dispatch.ts';
import { renderError } from './errors.ts';
import { landingPage } from './landing.ts';
import type { Route } from './route.ts';
import { routeOf } from './route-cache.ts';

export interface ServerPorts extends HandlerPorts {
  readonly logger: Logger;
  readonly access: (entry: AccessEntry) => void;
  readonly telemetry: Telemetry;
  /** Why no new request may be served, undefined while they may. */
  readonly notReady: () => string | undefined;
  readonly version: string;
}

/** Beyond every body limit of our own: Bun would answer 413 without a body. */
const MAX_BODY = Number.MAX_SAFE_INTEGER;
/** Seconds of silence after which Bun closes a connection that waits for a request, or that does not take its response. */
const IDLE_SECONDS = 60;

/** Targets of the API. */
const API = /^\/v2(?:[/?]|$)/;

type BunServer = Bun.Server<unknown> | null;

/** The HTTP side of a node; `listen` on what it returns. */
export function createServer(ports: ServerPorts) {
  const handle = ({ request, server }: { request: Request; server: BunServer }) => serve(request, server, ports);
  return (
    new Elysia({
      serve: {
        maxRequestBodySize: MAX_BODY,
        idleTimeout: IDLE_SECONDS,
        development: false,
        // What escapes every handler, such as a file that vanished between its head and its sending.
        error: (error: Error) => failed(error, ports),
      },
      // Hosts shorter than four letters would be 404 otherwise.
      handler: { standardHostname: false },
    })
      .onError({ as: 'global' }, ({ code, error, request, server }) => {
        // Elysia takes the path from a full address; where Bun has none to give, it looks in the wrong place.
        if (code === 'NOT_FOUND' && API.test(targetOf(request.url))) return serve(request, server, ports);
        const known =
          code === 'NOT_FOUND' ? new RegistryError('route-unknown', 'there is nothing at this address') : error;
        return failed(known, ports, { requestId: 'none', method: request.method, head: request.method === 'HEAD' });
      })
      // The API is parsed by parseRoute, so that names with slashes and odd paths get the spec's errors.
      .all('/v2', handle, { parse: 'none' })
      .all('/v2/*', handle, { parse: 'none' })
      .get('/', () => landingPage(ports.version))
      .get('/healthz', () => text('ok\n'))
      .get('/readyz', () => readiness(ports.notReady()))
      .get('/metrics', async () => text(await ports.telemetry.render(), ports.telemetry.contentType))
  );
}

async function serve(request: Request, server: BunServer, ports: ServerPorts): Promise<Response> {
  const begun = performance.now();
  const { telemetry } = ports;
  telemetry.requests.begin();
  const { method } = request;
  const target = targetOf(request.url);
  const seen: Seen = { repository: undefined, digest: undefined, reference: undefined, received: 0, sent: 0 };
  const id = nextRequestId();
  let kind: Route['kind'] | 'invalid' = 'invalid';
  let keptOpen = false;
  let response: Response;
  try {
    const reason = ports.notReady();
    if (reason !== undefined) throw new RegistryError('unavailable', `${reason}: try again`);
    checkHost(request);
    const route = routeOf(method, target);
    kind = route.kind;
    note(route, seen);
    const context: RequestContext = {
      request,
      id,
      seen,
      actor: () => anonymous(server?.requestIP(request)?.address),
      keepOpen: () => {
        keptOpen = true;
        server?.timeout(request, 0);
      },
    };
    response = await dispatch(route, context, ports);
  } catch (error) {
    response = failed(error, ports, { requestId: id, method, head: method === 'HEAD' });
  }
  // It belongs to the connection: what is idle afterwards, or never ends its body, would stay for ever.
  if (keptOpen) server?.timeout(request, IDLE_SECONDS);
  const milliseconds = performance.now() - begun;
  telemetry.requests.end(kind, response.status, milliseconds / 1000, seen.received, seen.sent);
  ports.access({
    requestId: id,
    method,
    path: target,
    route: kind,
    repository: seen.repository,
    reference: seen.reference,
    digest: seen.digest,
    status: response.status,
    bytesIn: seen.received,
    bytesOut: seen.sent,
    milliseconds,
  });
  return response;
}

/** The path and query of a request's URL, undecoded. Without a proper Host header Bun gives a bare path. */
function targetOf(url: string): string {
  if (url.startsWith('/')) return url;
  const slash = url.indexOf('/', url.indexOf('://') + 3);
  return slash < 0 ? '/' : url.slice(slash);
}

/**
 * "A server MUST respond with a 400 … to any request message that contains more than one Host header field line or a Host header
 * field with an invalid field value" (RFC 9112, section 3.2). Nothing here depends on it, but a proxy in front may.
 */
function checkHost(request: Request): void {
  const host = request.headers.get('host');
  if (host === null || host === '') return;
  // Bun joins several ones with a comma, and gives no full address for one that cannot be part of it.
  if (host.includes(',') || request.url.startsWith('/')) {
    throw new RegistryError('request-invalid', 'send one Host header, with the name or address of the registry');
  }
}

function note(route: Route, seen: Seen): void {
  if ('repo' in route) seen.repository = route.repo;
  if ('digest' in route) seen.digest = route.digest;
  if (!('reference' in route)) return;
  if (route.reference.kind === 'tag') seen.reference = route.reference.tag;
  else seen.digest = route.reference.digest;
}

const ID_PREFIX = crypto.randomUUID().slice(0, 8);
let requests = 0;

/** Unique among all processes, and cheap: a random prefix and a count. */
function nextRequestId(): string {
  requests++;
  return `${ID_PREFIX}-${requests.toString(36)}`;
}

/** What the client sees of an error; what only the operator may see is logged. */
function failed(
  error: unknown,
  { logger, telemetry }: ServerPorts,
  about: { requestId: string; method: string; head: boolean } = { requestId: 'none', method: 'none', head: false },
): Response {
  const response = renderError(error, about.head);
  if (response.status >= 500) {
    telemetry.storageFailed(error instanceof RegistryError ? error.kind : 'unexpected');
    logger.error({ requestId: about.requestId, method: about.method, err: error }, 'a request failed');
  }
  return response;
}

function readiness(reason: string | undefined): Response {
  return reason === undefined ? text('ready\n') : text(`not ready: ${reason}\n`, 'text/plain; charset=utf-8', 503);
}

function text(body: string, type = 'text/plain; charset=utf-8', status = 200): Response {
  return new Response(body, { status, headers: { 'Content-Type': type } });
}
