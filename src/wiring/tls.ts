import { type Config, ConfigError } from '../config.ts';
import { maxOpenFiles } from '../system/open-files.ts';
import { LineThrottle } from '../telemetry/line-throttle.ts';
import type { Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import type { Thread } from '../threads/thread.ts';
import { ConnectionTable } from '../tls/connection-table.ts';
import { parseClientCa, parseServerCertificate, type ServerCertificate } from '../tls/server-certificate.ts';
import { TlsFront, type TlsMaterial } from '../tls/tls-front.ts';
import { openConfigFile } from './config-files.ts';

/** The client's socket, the two ends of the connection to the HTTP server, and the file that is read or written. */
export const DESCRIPTORS_PER_CONNECTION = 4;
const FALLBACK_MAX_FILES = 1_000_000;

/** TLS of a node. Certificates are read again when they change. */
export interface Tls {
  readonly connections: ConnectionTable;
  /** Listens on HOST. @throws an error of the system */
  readonly listen: (place: TlsPlace) => Promise<TlsFront>;
  readonly close: () => void;
}

interface TlsPlace {
  /** 0 picks a free port. */
  readonly port: number;
  /** How many threads listen on it. */
  readonly threads: number;
  /** Of the HTTP server on 127.0.0.1. */
  readonly innerPort: number;
}

interface Ports {
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly thread: Thread;
}

/** @returns undefined without TLS_CERT_FILE. @throws ConfigError in one line */
export async function openTls(config: Config, ports: Ports): Promise<Tls | undefined> {
  const { logger, telemetry } = ports;
  const { tlsCertFile, tlsKeyFile } = config;
  if (tlsCertFile === undefined || tlsKeyFile === undefined) {
    refuseHalf(config);
    return undefined;
  }
  let front: TlsFront | undefined;
  const pair = await openConfigFile({
    logger,
    telemetry,
    paths: { TLS_CERT_FILE: tlsCertFile, TLS_KEY_FILE: tlsKeyFile },
    parse: (texts) => parseServerCertificate(texts),
    onChange: (certificate) => {
      front?.use(material());
      report(certificate, ports);
    },
  });
  const clientCa = await openClientCa(config, ports, () => front?.use(material()));
  const material = (): TlsMaterial => ({
    chain: pair.value.chain,
    key: pair.value.key,
    clientCa: clientCa?.value,
  });
  report(pair.value, ports);
  if (clientCa !== undefined && config.htpasswdFile === undefined && config.accessFile === undefined) {
    logger.warn('TLS_CLIENT_CA_FILE alone restricts nothing: set ACCESS_FILE to say what certificates may do');
  }
  const connections = new ConnectionTable();
  const failures = new LineThrottle(() => performance.now());
  telemetry.tls.observe({ expiresAt: () => pair.value.expiresAt, connections: () => front?.size ?? 0 });
  return {
    connections,
    listen: async ({ port, threads, innerPort }) => {
      front = await TlsFront.open({
        host: config.host,
        port,
        isShared: threads > 1,
        innerPort,
        material: material(),
        maxConnections: Math.floor((maxOpenFiles() ?? FALLBACK_MAX_FILES) / DESCRIPTORS_PER_CONNECTION / threads),
        connections,
        handshakeFailed: (code, address) => {
          telemetry.tls.handshakeFailed(code);
          logger.debug({ code, client: address }, 'a TLS handshake failed');
        },
        failed: (error) => {
          const skipped = failures.admit();
          if (skipped !== undefined) logger.error({ err: error, skipped }, 'the TLS server failed');
        },
      });
      return front;
    },
    close: () => {
      front?.close();
      pair.close();
      clientCa?.close();
    },
  };
}

/** The header that keeps browsers to HTTPS (RFC 6797). It is sent over TLS only. */
export function strictTransport({ hstsMaxAge }: Config): Readonly<Record<string, string>> | undefined {
  return hstsMaxAge === 0 ? undefined : { 'Strict-Transport-Security': `max-age=${Math.floor(hstsMaxAge / 1000)}` };
}

async function openClientCa({ tlsClientCaFile }: Config, { logger, telemetry }: Ports, onChange: () => void) {
  if (tlsClientCaFile === undefined) return undefined;
  return await openConfigFile({
    logger,
    telemetry,
    paths: { TLS_CLIENT_CA_FILE: tlsClientCaFile },
    parse: (texts) => parseClientCa(texts),
    onChange,
  });
}

function refuseHalf({ tlsCertFile, tlsKeyFile, tlsClientCaFile, tlsRedirectPort, hstsMaxAge }: Config): void {
  const missing = tlsCertFile === undefined ? 'TLS_CERT_FILE' : 'TLS_KEY_FILE';
  if (tlsCertFile !== undefined || tlsKeyFile !== undefined) {
    throw new ConfigError(`TLS needs both TLS_CERT_FILE and TLS_KEY_FILE: set ${missing}`);
  }
  const depending = { TLS_CLIENT_CA_FILE: tlsClientCaFile, TLS_REDIRECT_PORT: tlsRedirectPort };
  const set = Object.entries({ ...depending, HSTS_MAX_AGE: hstsMaxAge === 0 ? undefined : hstsMaxAge });
  const [name] = set.find(([, value]) => value !== undefined) ?? [];
  if (name !== undefined) throw new ConfigError(`${name} cannot be used: it needs TLS_CERT_FILE and TLS_KEY_FILE`);
}

/** All threads use the same certificate, so one reports it. */
function report({ warning, expiresAt }: ServerCertificate, { logger, thread }: Ports): void {
  if (thread.kind === 'other') return;
  const about = { expires: new Date(expiresAt).toISOString() };
  if (warning === undefined) logger.info(about, 'the TLS certificate is in use');
  else logger.error({ ...about, reason: warning }, 'clients will refuse the TLS certificate: replace it');
}
