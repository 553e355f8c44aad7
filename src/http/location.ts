import type { RequestContext } from './context.ts';

/** "Optionally, the location MAY be absolute …, or it MAY be relative". Relative ones work behind any proxy. */
export function location({ origin }: Pick<RequestContext, 'origin'>, path: string): string {
  return origin() + path;
}
