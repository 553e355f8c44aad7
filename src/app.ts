import { setTimeout as delay } from 'node:timers/promises';
import packageJson from '../package.json' with { type: 'json' };
import type { Config } from './config.ts';
import { type Logs, openLogs } from './telemetry/log.ts';
import { warnOfPoolSize } from './wiring/disk-threads.ts';
import type { Listeners } from './wiring/listeners.ts';
import { type Node, wire } from './wiring.ts';

const POLL_MS = 20;
/** How long aborted requests may take to clean up. */
const CLEAN_UP_MS = 2_000;

/** Starts a node and returns once it listens. SIGTERM and SIGINT drain it and end the process. */
export async function run(config: Config): Promise<void> {
  const logs = openLogs({ level: config.logLevel, format: config.logFormat });
  const { version } = packageJson;
  const node = await wire(config, logs, version);
  const listeners = await node.listen();
  const drainOnce = (signal: NodeJS.Signals): void => {
    process.off('SIGTERM', drainOnce);
    process.off('SIGINT', drainOnce);
    void drain(node, listeners, config, logs, signal);
  };
  process.on('SIGTERM', drainOnce);
  process.on('SIGINT', drainOnce);
  warnOfPoolSize(config, logs.logger);
  announce(node, listeners, config, version, logs);
}

function announce(node: Node, { scheme, port }: Listeners, config: Config, version: string, logs: Logs): void {
  const host = config.host === '0.0.0.0' || config.host === '::' ? 'localhost' : config.host;
  if (process.stdout.isTTY) {
    process.stdout.write(
      [
        `Marina ${version}, ${node.shape === 'embedded' ? 'embedded: one process' : 'a node of a cluster'}`,
        `  storage   ${node.place} (${node.storage}, store ${node.store})`,
        `  address   ${scheme}://${host}:${port}`,
        `  access    ${node.isOpen ? 'open: everyone who reaches the port may do everything (docs/access.md)' : 'accounts and rules'}`,
        `  next      docker tag my-image ${host}:${port}/my-image && docker push ${host}:${port}/my-image`,
        '',
        '',
      ].join('\n'),
    );
  }
  logs.logger.info(
    {
      version,
      shape: node.shape,
      storage: node.place,
      store: node.store,
      address: `${scheme}://${config.host}:${port}`,
    },
    'Marina is listening',
  );
  logs.flush();
}

/** Refuses new requests, gives those in flight a bounded time to finish, and exits with 0. */
async function drain(node: Node, listeners: Listeners, config: Config, logs: Logs, signal: string): Promise<void> {
  logs.logger.info({ signal, inFlight: node.inFlight() }, 'draining');
  const deadline = performance.now() + config.drainTimeout;
  // A request that a client has already sent is served, too.
  await listeners.stop();
  node.refuse('the registry is shutting down');
  while (performance.now() < deadline && (node.inFlight() > 0 || listeners.pending() > 0)) await delay(POLL_MS);
  if (node.inFlight() > 0)
    logs.logger.warn({ inFlight: node.inFlight() }, 'requests are cut off after the drain timeout');
  node.abortSends();
  await listeners.close(deadline);
  // Aborted uploads keep the bytes that have arrived, as after a broken connection.
  const cleanUpEnds = performance.now() + CLEAN_UP_MS;
  while (performance.now() < cleanUpEnds && node.inFlight() > 0) await delay(POLL_MS);
  await node.close();
  logs.logger.info('stopped');
  logs.flush();
  process.exit(0);
}
