import type { RequestContext } from './context.ts';

/** "Optionally, the location MAY be absolute …, or it MAY be relative": relative ones pass every proxy unharmed. */
export function location({ origin }: Pick<RequestContext, 'origin'>, path: string): string {
  return origin() + path;
}
