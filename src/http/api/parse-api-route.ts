import type { ApiRoute } from './endpoints.ts';

/**
 * Parses the address of a request, as `apiRoute` in endpoints.ts. The code of /api/v1 is loaded at the first request: its schemas take
 * more memory than the rest of http/, and each thread would have them from its start. If it cannot be loaded, that request fails, and the
 * reason is logged.
 */
export async function parseApiRoute(
  method: string,
  path: string,
  query: URLSearchParams,
): Promise<ApiRoute | undefined> {
  const { apiRoute } = await import('./endpoints.ts');
  return apiRoute(method, path, query);
}
