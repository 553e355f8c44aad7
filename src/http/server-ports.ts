import type { AccessEntry, Logger } from '../telemetry/log.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import type { MetricsPage } from '../telemetry/metrics-page.ts';
import type { Admission } from './admission.ts';
import type { TlsConnections } from './connection.ts';
import type { HandlerPorts } from './context.ts';
import type { Proxies } from './forwarded.ts';
import type { Gate } from './gate.ts';
import type { PublicAddress } from './public-address.ts';
import type { SubjectLimits } from './subject-limits.ts';
import type { WebOrigins } from './web-origins.ts';

/** What the server uses; the same for all requests. */
export interface ServerPorts extends HandlerPorts {
  readonly logger: Logger;
  /** Writes a request's line to the access log; undefined if the log level excludes those. */
  readonly access: ((entry: AccessEntry) => void) | undefined;
  readonly telemetry: Telemetry;
  /** What GET /metrics answers. */
  readonly metrics: MetricsPage;
  readonly webOrigins: WebOrigins;
  readonly admission: Admission;
  /** undefined if no subject is limited. */
  readonly subjects: SubjectLimits | undefined;
  readonly proxies: Proxies;
  readonly publicAddress: PublicAddress;
  /** undefined: clients connect without TLS. */
  readonly tls: TlsConnections | undefined;
  /** Headers of every response; undefined: none. */
  readonly commonHeaders: Readonly<Record<string, string>> | undefined;
  /** undefined if access is not restricted. */
  readonly gate: Gate | undefined;
  /** Why new requests are refused; undefined while they are served. */
  readonly notReady: () => string | undefined;
}
