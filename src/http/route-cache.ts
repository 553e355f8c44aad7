import { parseRoute, type Route } from './route.ts';

/** Addresses remembered; when there are more, all are forgotten, which costs no more than parsing them again. */
const MAX_ROUTES = 8_192;
/** A longer address is somebody's experiment. */
const MAX_LENGTH = 512;

const gets = new Map<string, Route>();
const heads = new Map<string, Route>();

/** parseRoute for the requests that come again and again: the same few addresses are pulled by everybody. */
export function routeOf(method: string, target: string): Route {
  const known = method === 'GET' ? gets : method === 'HEAD' ? heads : undefined;
  if (known === undefined || target.length > MAX_LENGTH) return parseRoute(method, target);
  const found = known.get(target);
  if (found !== undefined) return found;
  const route = parseRoute(method, target);
  if (known.size >= MAX_ROUTES) known.clear();
  known.set(target, route);
  return route;
}
