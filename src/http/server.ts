import { Elysia } from 'elysia';
import { RegistryError } from '../oci/errors.ts';
import { targetOf } from './address.ts';
import { IDLE_SECONDS } from './bun-server.ts';
import { refuse, type ServerPorts, serve } from './exchange.ts';
import { landingPage } from './landing.ts';
import { respond } from './response.ts';

/** No limit: Bun's own 413 has no body. Each endpoint has its own limit. */
const MAX_BODY = Number.MAX_SAFE_INTEGER;

/** Request targets of the API. */
const API = /^\/v2(?:[/?]|$)/;

/** The HTTP server of a node. It does not listen yet. */
export function createServer(ports: ServerPorts) {
  const app = new Elysia({
    serve: {
      maxRequestBodySize: MAX_BODY,
      idleTimeout: IDLE_SECONDS,
      development: false,
      // With Elysia's default a second process could listen on the same port and take some of the requests.
      reusePort: false,
    },
    // Elysia would answer 404 for host names of fewer than four letters.
    handler: { standardHostname: false },
  });
  const answer = ({ request }: { request: Request }) => serve(request, app.server, ports);
  // Elysia inspects a handler's source, and would treat this one as async or parse its body. A bound function has no source.
  const handle = answer.bind(undefined);
  return (
    app
      .onError({ as: 'global' }, ({ code, error, request }) => {
        // Elysia expects an absolute URL, and routes the bare path that Bun gives for some requests wrongly.
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
