import type { HandlerPorts, RequestContext } from '../context.ts';
import type { ApiRoute } from './endpoints.ts';

/** Serves one request of /api/v1. Its code is loaded at the first one, as parse-api-route.ts says. */
export async function serveApi(route: ApiRoute, context: RequestContext, ports: HandlerPorts): Promise<Response> {
  const { dispatchApi } = await import('./dispatch.ts');
  return await dispatchApi(route, context, ports);
}

/** Loads that code now. */
export async function loadApi(): Promise<void> {
  await import('./dispatch.ts');
}
