import { Elysia } from 'elysia';
import { RegistryError } from '../oci/errors.ts';
import { targetOf } from './address.ts';
import { IDLE_SECONDS } from './bun-server.ts';
import { refuse, type ServerPorts, serve } from './exchange.ts';
import { landingPage } from './landing.ts';
import { respond } from './response.ts';

/** Beyond every body limit of our own: Bun would answer 413 without a body. */
const MAX_BODY = Number.MAX_SAFE_INTEGER;

/** Targets of the API. */
const API = /^\/v2(?:[/?]|$)/;

/** The HTTP side of a node; `listen` on what it returns. */
export function createServer(ports: ServerPorts) {
  const app = new Elysia({
    serve: {
      maxRequestBodySize: MAX_BODY,
      idleTimeout: IDLE_SECONDS,
      development: false,
      // Elysia's default would let a second Marina listen on the same port: each would get some of the requests.
      reusePort: false,
    },
    // Hosts shorter than four letters would be 404 otherwise.
    handler: { standardHostname: false },
  });
  const answer = ({ request }: { request: Request }) => serve(request, app.server, ports);
  // Elysia reads a handler's source: it would take this one for async, or hand it a parsed body. A bound function has none.
  const handle = answer.bind(undefined);
  return (
    app
      .onError({ as: 'global' }, ({ code, error, request }) => {
        // Elysia takes the path from a full address; where Bun has none to give, it looks in the wrong place.
        if (code === 'NOT_FOUND' && API.test(targetOf(request.url))) return serve(request, app.server, ports);
        const known =
          code === 'NOT_FOUND' ? new RegistryError('route-unknown', 'there is nothing at this address') : error;
        return refuse(known, request, app.server, ports);
      })
      // The API is parsed by parseRoute, so that names with slashes and odd paths get the spec's errors.
      .all('/v2', handle)
      .all('/v2/*', handle)
      .get('/', () => landingPage(ports.version))
      .get('/healthz', () => text('ok\n'))
      .get('/readyz', () => readiness(ports.notReady()))
      .get('/metrics', async () => text(await ports.telemetry.render(), ports.telemetry.contentType))
  );
}

function readiness(reason: string | undefined): Response {
  return reason === undefined ? text('ready\n') : text(`not ready: ${reason}\n`, 'text/plain; charset=utf-8', 503);
}

function text(body: string, type = 'text/plain; charset=utf-8', status = 200): Response {
  return respond(body, { status, headers: { 'Content-Type': type, 'Cache-Control': 'no-store' } });
}
