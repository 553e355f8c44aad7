import { Elysia } from 'elysia';
import { RegistryError } from '../oci/errors.ts';
import { targetOf } from './address.ts';
import { type BunServer, IDLE_SECONDS } from './bun-server.ts';
import { refuse, type ServerPorts, serve, serveGuarded } from './exchange.ts';
import { landingPage } from './landing.ts';
import type { RequiredAccess } from './required-access.ts';
import { respond } from './response.ts';
import { TOKEN_PATH } from './route.ts';

/** Bun's limit is off, because its 413 response has no body. Each endpoint has its own limit. */
const MAX_BODY = Number.MAX_SAFE_INTEGER;

/** Matches request targets of the API. */
const API = /^\/(?:v2(?:[/?]|$)|token(?:\?|$))/;

/** Creates the HTTP server of a node. It does not listen yet. */
export function createServer(ports: ServerPorts) {
  const app = new Elysia({
    serve: {
      maxRequestBodySize: MAX_BODY,
      idleTimeout: IDLE_SECONDS,
      development: false,
      // With Elysia's default a second process could listen on the same port and take some of the requests.
      reusePort: false,
    },
    // With Elysia's default, host names of fewer than four letters get 404.
    handler: { standardHostname: false },
  });
  const answer = ({ request }: { request: Request }) => serve(request, app.server, ports);
  // Elysia inspects a handler's source and would treat this one as async or parse the request body. A bound function has no source.
  const handle = answer.bind(undefined);
  return (
    app
      .onError({ as: 'global' }, ({ code, error, request }) => {
        // Elysia expects an absolute URL. For some requests Bun gives only a path, which Elysia does not match to the API.
        if (code === 'NOT_FOUND' && API.test(targetOf(request.url))) return serve(request, app.server, ports);
        const known = code === 'NOT_FOUND' ? new RegistryError('route-unknown', 'there is no such endpoint') : error;
        return refuse(known, request, app.server, ports);
      })
      // parseRoute parses the API's paths: repository names contain slashes, and malformed paths must get the spec's errors.
      .all('/v2', handle)
      .all('/v2/*', handle)
      .all(TOKEN_PATH, handle)
      .get('/', () => landingPage(ports.version))
      .get('/healthz', () => text('ok\n'))
      .get('/readyz', () => readiness(ports.notReady()))
      .get('/metrics', ({ request }) => serveMetrics(request, app.server, ports))
  );
}

const METRICS_ACCESS: RequiredAccess = {
  requirements: [{ kind: 'registry', action: 'metrics' }],
  wishes: [],
  refusal: 'denied',
};

function serveMetrics(request: Request, server: BunServer, ports: ServerPorts): Promise<Response> {
  const answer = async () => text(await ports.telemetry.render(), ports.telemetry.contentType);
  return serveGuarded(request, server, ports, { name: 'metrics', required: METRICS_ACCESS, answer });
}

function readiness(reason: string | undefined): Response {
  return reason === undefined ? text('ready\n') : text(`not ready: ${reason}\n`, 'text/plain; charset=utf-8', 503);
}

function text(body: string, type = 'text/plain; charset=utf-8', status = 200): Response {
  return respond(body, { status, headers: { 'Content-Type': type, 'Cache-Control': 'no-store' } });
}
