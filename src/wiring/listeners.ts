import { setTimeout as delay } from 'node:timers/promises';
import { type Config, ConfigError } from '../config.ts';
import type { PublicAddress } from '../http/public-address.ts';
import type { createServer } from '../http/server.ts';
import { type ListenAddress, serveMetrics, serveRedirects } from '../http/side-servers.ts';
import { codeOf } from '../system/error-code.ts';
import type { MetricsPage } from '../telemetry/metrics-page.ts';
import type { Thread } from '../threads/thread.ts';
import type { TlsFront } from '../tls/tls-front.ts';
import type { Tls } from './tls.ts';

/** How long to wait for requests that clients have already sent. */
const LINGER_MS = 50;
/** How long the last bytes may take to leave after all requests have been answered. */
const FLUSH_MS = 2_000;

/** The open ports of a node. */
export interface Listeners {
  readonly scheme: 'http' | 'https';
  /** The port for clients. */
  readonly port: number;
  /**
   * Stops accepting connections and ends idle ones; health and metrics stay available. Resolves when requests that were sent
   * before have arrived.
   */
  readonly stop: () => Promise<void>;
  /** Requests in progress. */
  readonly pending: () => number;
  /** Closes all connections. @param deadline until which the last bytes may be sent, by the monotonic clock */
  readonly close: (deadline: number) => Promise<void>;
}

export interface ListenerPorts {
  readonly config: Config;
  /** For clients; 0 picks a free one. */
  readonly port: number;
  readonly server: ReturnType<typeof createServer>;
  readonly tls: Tls | undefined;
  readonly publicAddress: PublicAddress;
  readonly metrics: MetricsPage;
  readonly notReady: () => string | undefined;
  readonly thread: Thread;
}

/** Opens the ports of a thread: PORT, and in one thread of a process the others. @throws ConfigError in one line, if a port cannot be opened */
export async function openListeners(ports: ListenerPorts): Promise<Listeners> {
  const { server: app, thread } = ports;
  let { port } = ports;
  // These open before the port for clients, so that a node that serves clients is complete.
  const side = thread.kind === 'other' ? [] : openSidePorts(ports, () => port);
  const { front, scheme, port: chosen } = await listen(ports);
  port = chosen;
  const drained = Promise.withResolvers<void>();
  if (front === undefined) drained.resolve();
  return {
    scheme,
    port,
    stop: async () => {
      const flushed = front?.stop();
      void flushed?.then(drained.resolve);
      // Requests of clients that have just finished their handshake still arrive at the server.
      if (front !== undefined) await delay(LINGER_MS);
      // The promise also waits for idle connections, which may never end.
      void app.server?.stop();
      await delay(LINGER_MS);
    },
    pending: () => app.server?.pendingRequests ?? 0,
    close: async (deadline) => {
      await app.server?.stop(true);
      const rest = Math.max(FLUSH_MS, deadline - performance.now());
      await Promise.race([drained.promise, delay(rest, undefined, { ref: false })]);
      front?.close();
      await Promise.all(side.map((each) => each.stop(true)));
    },
  };
}

function openSidePorts(ports: ListenerPorts, port: () => number): readonly Bun.Server<undefined>[] {
  const { config, tls, publicAddress } = ports;
  const { metricsPort, metricsHost = config.host, tlsRedirectPort } = config;
  const side: Bun.Server<undefined>[] = [];
  if (metricsPort !== undefined) {
    const address = { hostname: metricsHost, port: metricsPort };
    side.push(orConfigError(address, 'METRICS_PORT', () => serveMetrics(address, ports)));
  }
  if (tlsRedirectPort !== undefined && tls !== undefined) {
    const address = { hostname: config.host, port: tlsRedirectPort };
    side.push(orConfigError(address, 'TLS_REDIRECT_PORT', () => serveRedirects(address, publicAddress, port)));
  }
  return side;
}

interface Main {
  readonly front: TlsFront | undefined;
  readonly scheme: 'http' | 'https';
  readonly port: number;
}

async function listen({ config, port, server: app, tls, thread }: ListenerPorts): Promise<Main> {
  const address = { hostname: config.host, port };
  const threads = thread.kind === 'alone' ? 1 : thread.count;
  if (thread.kind === 'owner') refuseTaken(address);
  if (tls === undefined) {
    orConfigError(address, 'PORT', () => app.listen({ ...address, reusePort: threads > 1 }));
    return { front: undefined, scheme: 'http', port: app.server?.port ?? port };
  }
  // Only the TLS front may reach it; the server refuses all others (docs/decisions/0074).
  const inner = { hostname: '127.0.0.1', port: 0 };
  orConfigError(inner, 'PORT', () => app.listen(inner));
  try {
    const front = await tls.listen({ port, threads, innerPort: app.server?.port ?? 0 });
    return { front, scheme: 'https', port: front.port };
  } catch (error) {
    throw cannotListen(error, address, 'PORT');
  }
}

/** Because threads share the port, the system would also let another process share it. */
function refuseTaken(address: ListenAddress): void {
  const probe = orConfigError(address, 'PORT', () =>
    Bun.listen({ ...address, socket: { data: () => undefined }, exclusive: true }),
  );
  probe.stop(true);
}

function orConfigError<T>(address: ListenAddress, setting: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    throw cannotListen(error, address, setting);
  }
}

function cannotListen(error: unknown, { hostname, port }: ListenAddress, setting: string): ConfigError {
  const code = codeOf(error);
  return new ConfigError(
    code === 'EADDRINUSE'
      ? `port ${port} is already in use: stop the program that uses it, or set ${setting}`
      : `cannot listen on ${hostname} port ${port} (${code ?? String(error)})`,
  );
}
