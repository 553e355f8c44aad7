import type { MetricsPage } from '../telemetry/metrics-page.ts';
import { targetOf } from './address.ts';
import { healthz, metrics, readyz } from './health.ts';
import { hasInvalidHost, ONE_HOST } from './host-header.ts';
import type { PublicAddress } from './public-address.ts';
import { respond } from './response.ts';

/** An address to listen on. */
export interface ListenAddress {
  readonly hostname: string;
  readonly port: number;
}

const COMMON = { development: false, reusePort: false, maxRequestBodySize: 1024 * 1024 } as const;

export interface MetricsPorts {
  readonly metrics: MetricsPage;
  readonly notReady: () => string | undefined;
}

/** Serves /metrics, /healthz and /readyz for monitoring, to everyone who can connect. */
export function serveMetrics(address: ListenAddress, { metrics: page, notReady }: MetricsPorts): Bun.Server<undefined> {
  return listen(address, (request) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return plain('only GET and HEAD are served here\n', 405);
    switch (pathOf(request.url)) {
      case '/metrics':
        return metrics(page);
      case '/healthz':
        return healthz();
      case '/readyz':
        return readyz(notReady());
      default:
        return plain('only /metrics, /healthz and /readyz are served here\n', 404);
    }
  });
}

/**
 * Listens for plain HTTP, and redirects every client to the TLS port. Nothing else is served here, because requests to this port are
 * not encrypted.
 */
export function serveRedirects(
  address: ListenAddress,
  publicAddress: PublicAddress,
  tlsPort: () => number,
): Bun.Server<undefined> {
  return listen(address, (request) => {
    const base = publicAddress.secure(request, tlsPort());
    if (base === undefined) return plain(`${ONE_HOST}\n`, 400);
    return plain('use https\n', 308, { Location: base + targetOf(request.url) });
  });
}

function listen(
  address: ListenAddress,
  answer: (request: Request) => Response | Promise<Response>,
): Bun.Server<undefined> {
  return Bun.serve({
    ...address,
    ...COMMON,
    fetch: (request) => (hasInvalidHost(request, request.url) ? plain(`${ONE_HOST}\n`, 400) : answer(request)),
  });
}

function pathOf(url: string): string {
  const target = targetOf(url);
  const query = target.indexOf('?');
  return query < 0 ? target : target.slice(0, query);
}

function plain(body: string, status: number, headers: Readonly<Record<string, string>> = {}): Response {
  return respond(body, { status, headers: { ...headers, 'Content-Type': 'text/plain; charset=utf-8' } });
}
