import { Counter, Gauge, type Registry as Metrics } from 'prom-client';

export interface ObservedTls {
  /** When the certificate in use expires, in milliseconds since 1970. */
  readonly expiresAt: () => number;
  /** Open connections. */
  readonly connections: () => number;
}

const REASONS = ['plain-http', 'protocol', 'certificate-refused', 'timeout', 'disconnected', 'other'] as const;
type Reason = (typeof REASONS)[number];

/** TLS connections. There are no series without a certificate. */
export class TlsMetrics {
  readonly #metrics: Metrics;
  #failures: Counter<'reason'> | undefined;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  observe({ expiresAt, connections }: ObservedTls): void {
    const registers = [this.#metrics];
    new Gauge({
      name: 'marina_tls_certificate_expiry_timestamp_seconds',
      help: 'Expiry of the certificate for new connections, in seconds since 1970.',
      aggregator: 'min',
      registers,
      collect() {
        this.set(expiresAt() / 1000);
      },
    });
    new Gauge({
      name: 'marina_tls_connections',
      help: 'Open TLS connections.',
      registers,
      collect() {
        this.set(connections());
      },
    });
    const failures = new Counter({
      name: 'marina_tls_handshake_failures_total',
      help: 'Failed TLS handshakes; certificate-refused: the client does not trust the certificate.',
      labelNames: ['reason'],
      registers,
    });
    for (const reason of REASONS) failures.inc({ reason }, 0);
    this.#failures = failures;
  }

  /** @param code of the TLS library, such as ERR_SSL_HTTP_REQUEST */
  handshakeFailed(code: string): void {
    this.#failures?.inc({ reason: reasonOf(code) });
  }
}

function reasonOf(code: string): Reason {
  if (code === 'ERR_SSL_HTTP_REQUEST') return 'plain-http';
  if (/PROTOCOL|VERSION|SHARED_CIPHER/.test(code)) return 'protocol';
  if (/ALERT_(?:UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE|UNSUPPORTED_CERTIFICATE)/.test(code))
    return 'certificate-refused';
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return 'timeout';
  return code === 'ECONNRESET' ? 'disconnected' : 'other';
}
