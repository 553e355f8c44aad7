import type { MetricsPage } from '../telemetry/metrics-page.ts';
import { respond } from './response.ts';

type Fields = Readonly<Record<string, string>>;

export function healthz(headers: Fields = {}): Response {
  return text('ok\n', headers);
}

/** @param reason why requests are refused; undefined while they are served */
export function readyz(reason: string | undefined, headers: Fields = {}): Response {
  return reason === undefined ? text('ready\n', headers) : text(`not ready: ${reason}\n`, headers, 503);
}

export async function metrics(page: MetricsPage, headers: Fields = {}): Promise<Response> {
  return text(await page.render(), { ...headers, 'Content-Type': page.contentType });
}

function text(body: string, headers: Fields, status = 200): Response {
  const about = { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' };
  return respond(body, { status, headers: { ...about, ...headers } });
}
