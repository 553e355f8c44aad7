import type { BunServer } from './bun-server.ts';
import { Exchange } from './exchange.ts';
import type { RequiredAccess } from './requirement.ts';
import type { ServerPorts } from './server-ports.ts';

/**
 * Answers one request of the API. A response that is ready is returned without a promise, because each await costs a pull from memory
 * measurable time.
 */
export function serve(request: Request, server: BunServer, ports: ServerPorts): Response | Promise<Response> {
  const exchange = new Exchange(request, server, ports);
  let answer: Response | Promise<Response>;
  try {
    answer = exchange.answer();
  } catch (error) {
    answer = exchange.failedAnswer(error);
  }
  if (!(answer instanceof Promise)) return exchange.finish(answer);
  return finishLater(exchange, answer);
}

async function finishLater(exchange: Exchange, answer: Promise<Response>): Promise<Response> {
  exchange.wait();
  let response: Response;
  try {
    response = await answer;
  } catch (error) {
    response = await exchange.failedAnswer(error);
  }
  return exchange.finish(response);
}

/** Answers a request outside the API with an error. It is counted and logged like any other. */
export function refuse(error: unknown, request: Request, server: BunServer, ports: ServerPorts): Response {
  const exchange = new Exchange(request, server, ports);
  return exchange.finish(exchange.failed(error));
}

/** Serves resources outside the API, such as the metrics, to callers with access. Without access control such requests are not logged. */
export async function serveGuarded(
  request: Request,
  server: BunServer,
  ports: ServerPorts,
  { name, required, answer }: Guarded,
): Promise<Response> {
  const { gate } = ports;
  if (gate === undefined) return await answer();
  const exchange = new Exchange(request, server, ports);
  try {
    await exchange.guard(gate, name, required);
    return exchange.finish(await answer());
  } catch (error) {
    return exchange.finish(exchange.failed(error));
  }
}

interface Guarded {
  /** In log lines and metrics. */
  readonly name: string;
  readonly required: RequiredAccess;
  readonly answer: () => Promise<Response>;
}
