import { Elysia } from 'elysia';
import { RegistryError } from '../oci/errors.ts';
import { type BunServer, IDLE_SECONDS } from './bun-server.ts';
import { healthz, metrics, readyz } from './health.ts';
import { hasInvalidHost } from './host-header.ts';
import { landingPage, toPage, wantsHtml } from './landing.ts';
import type { RequiredAccess } from './requirement.ts';
import { refuse, serve, serveGuarded } from './serve.ts';
import type { ServerPorts } from './server-ports.ts';

/** Bun's limit is off, because its 413 response has no body. Each endpoint has its own limit. */
const MAX_BODY = Number.MAX_SAFE_INTEGER;

/** Matches URLs of the API and the page. Without a valid Host header Bun's URL is only a path. */
const API = /^(?:https?:\/\/[^/]*)?\/(?:(?:v2|ui)(?:[/?]|$)|api\/v1\/|token(?:\?|$))/;

/** Creates the HTTP server of a node. It does not listen yet. */
export function createServer(ports: ServerPorts) {
  const app = new Elysia({
    serve: {
      maxRequestBodySize: MAX_BODY,
      idleTimeout: IDLE_SECONDS,
      development: false,
      // With Elysia's default a second process could listen on the same port and take some of the requests. Threads share their port.
      reusePort: false,
    },
    // With Elysia's default, host names of fewer than four letters get 404.
    handler: { standardHostname: false },
  });
  const serveApi = (request: Request) => serve(request, app.server, ports);
  return (
    app
      // parseRoute parses the API's paths: repository names contain slashes, and malformed paths must get the spec's errors. Elysia's
      // router would match all of them to one endpoint, and take an eighth of the time of a pull from memory. Requests with an invalid
      // Host are refused there too, whatever their path.
      .wrap((others, request) => {
        const { url } = request;
        return API.test(url) || hasInvalidHost(request, url) ? serveApi : others;
      })
      .onError({ as: 'global' }, ({ code, error, request }) => {
        const known = code === 'NOT_FOUND' ? new RegistryError('route-unknown', 'there is no such endpoint') : error;
        return refuse(known, request, app.server, ports);
      })
      .get('/', ({ request }) => {
        const isForPeople = ports.ui !== undefined && wantsHtml(request.headers);
        return isForPeople ? toPage(ports.commonHeaders) : landingPage(ports.version, ports.commonHeaders);
      })
      .get('/healthz', () => healthz(ports.commonHeaders))
      .get('/readyz', () => readyz(ports.notReady(), ports.commonHeaders))
      .get('/metrics', ({ request }) => serveMetrics(request, app.server, ports))
  );
}

const METRICS_ACCESS: RequiredAccess = {
  requirements: [{ kind: 'registry', action: 'metrics' }],
  wishes: [],
  refusal: 'denied',
};

function serveMetrics(request: Request, server: BunServer, ports: ServerPorts): Promise<Response> {
  const answer = () => metrics(ports.metrics, ports.commonHeaders);
  return serveGuarded(request, server, ports, { name: 'metrics', required: METRICS_ACCESS, answer });
}
