import { setTimeout as delay } from 'node:timers/promises';
import { type Config, ConfigError } from '../config.ts';
import type { PublicAddress } from '../http/public-address.ts';
import type { createServer } from '../http/server.ts';
import { type ListenAddress, serveMetrics, serveRedirects } from '../http/side-servers.ts';
import { codeOf } from '../storage/filesystem/system-errors.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
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
  readonly server: ReturnType<typeof createServer>;
  readonly tls: Tls | undefined;
  readonly publicAddress: PublicAddress;
  readonly telemetry: Telemetry;
  readonly notReady: () => string | undefined;
}

/** Opens the ports of a node. @throws ConfigError in one line, if a port cannot be opened */
export async function openListeners(ports: ListenerPorts): Promise<Listeners> {
  const { config, server: app, tls, publicAddress } = ports;
  const { metricsPort, metricsHost = config.host, tlsRedirectPort } = config;
  const side: Bun.Server<undefined>[] = [];
  let { port } = config;
  // These open before the port for clients, so that a node that serves clients is complete.
  if (metricsPort !== undefined) {
    const address = { hostname: metricsHost, port: metricsPort };
    side.push(orConfigError(address, 'METRICS_PORT', () => serveMetrics(address, ports)));
  }
  if (tlsRedirectPort !== undefined && tls !== undefined) {
    const address = { hostname: config.host, port: tlsRedirectPort };
    side.push(orConfigError(address, 'TLS_REDIRECT_PORT', () => serveRedirects(address, publicAddress, () => port)));
  }
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

interface Main {
  readonly front: TlsFront | undefined;
  readonly scheme: 'http' | 'https';
  readonly port: number;
}

async function listen({ config, server: app, tls }: ListenerPorts): Promise<Main> {
  const address = { hostname: config.host, port: config.port };
  if (tls === undefined) {
    orConfigError(address, 'PORT', () => app.listen(address));
    return { front: undefined, scheme: 'http', port: app.server?.port ?? config.port };
  }
  // Only the TLS front may reach it; the server refuses all others (docs/decisions/0074).
  const inner = { hostname: '127.0.0.1', port: 0 };
  orConfigError(inner, 'PORT', () => app.listen(inner));
  try {
    const front = await tls.listen(app.server?.port ?? 0);
    return { front, scheme: 'https', port: front.port };
  } catch (error) {
    throw cannotListen(error, address, 'PORT');
  }
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
