import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import type { ConnectionTable } from './connection-table.ts';
import { presentedCertificate } from './presented-certificate.ts';
import { Tunnel } from './tunnel.ts';

/** A client that has not finished its handshake by then is disconnected. */
const HANDSHAKE_MS = 10_000;
/** Requests that clients have already sent are waited for this long when the front stops. */
const LINGER_MS = 50;
/**
 * SSL_OP_NO_TICKET: no session is resumed. A resumed one would count as verified even if the certificate has expired in the meantime,
 * and no client of registries that we know resumes sessions, so tickets would only make handshakes slower.
 */
const NO_TICKETS = 0x4000;

/** Certificates and key of the server. */
export interface TlsMaterial {
  /** In PEM. */
  readonly chain: string;
  readonly key: string;
  /** CAs of client certificates, in PEM; undefined if client certificates are not requested. */
  readonly clientCa: string | undefined;
}

export interface TlsFrontOptions {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** Whether other threads listen on the same port. The kernel then distributes connections among them. */
  readonly isShared: boolean;
  /** Port of this thread's HTTP server, on 127.0.0.1. */
  readonly innerPort: number;
  readonly material: TlsMaterial;
  readonly maxConnections: number;
  readonly connections: ConnectionTable;
  /** @param code of OpenSSL or the system */
  readonly handshakeFailed: (code: string, address: string | undefined) => void;
  /** The server has a problem that is not the client's. */
  readonly failed: (error: unknown) => void;
}

/** Performs TLS handshakes, and forwards bytes between clients and the HTTP server of this thread. */
export class TlsFront {
  readonly #options: TlsFrontOptions;
  readonly #server: Server;
  readonly #tunnels = new Set<Tunnel>();
  readonly #drained = Promise.withResolvers<void>();
  #port: number;
  #isStopping = false;

  private constructor(options: TlsFrontOptions) {
    this.#options = options;
    this.#port = options.port;
    const { material, maxConnections, handshakeFailed } = options;
    this.#server = createServer({
      ...optionsOf(material),
      requestCert: material.clientCa !== undefined,
      // A client whose certificate is refused gets the reason in an HTTP response.
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_MS,
      ALPNProtocols: ['http/1.1'],
    });
    this.#server.maxConnections = maxConnections;
    this.#server.on('secureConnection', (client) => this.#open(client));
    this.#server.on('tlsClientError', (error: NodeJS.ErrnoException, { remoteAddress }) =>
      handshakeFailed(error.code ?? 'unknown', remoteAddress),
    );
  }

  /** Listens on the address. @throws an error of the system, such as EADDRINUSE */
  static async open(options: TlsFrontOptions): Promise<TlsFront> {
    const front = new TlsFront(options);
    const { host, port, isShared } = options;
    const listening = Promise.withResolvers<void>();
    front.#server.once('error', listening.reject);
    front.#server.listen({ host, port, reusePort: isShared }, listening.resolve);
    await listening.promise;
    front.#server.off('error', listening.reject).on('error', options.failed);
    const bound = front.#server.address();
    if (bound !== null && typeof bound !== 'string') front.#port = bound.port;
    return front;
  }

  /** The port that clients connect to. */
  get port(): number {
    return this.#port;
  }

  /** Open connections, without those in a handshake. */
  get size(): number {
    return this.#tunnels.size;
  }

  /** Uses this for new connections. Open ones continue. */
  use(material: TlsMaterial): void {
    this.#server.setSecureContext(optionsOf(material));
  }

  /** Stops accepting connections. Resolves when the last one has ended. */
  stop(): Promise<void> {
    this.#isStopping = true;
    this.#server.close();
    // A request may already be in flight.
    setTimeout(() => {
      for (const tunnel of this.#tunnels) tunnel.endIfSilent();
    }, LINGER_MS);
    this.#checkDrained();
    return this.#drained.promise;
  }

  /** Ends all connections. */
  close(): void {
    if (!this.#isStopping) void this.stop();
    for (const tunnel of this.#tunnels) tunnel.destroy();
  }

  #open(client: TLSSocket): void {
    const { innerPort, connections, material, failed } = this.#options;
    const address = client.remoteAddress;
    // The client has already disconnected.
    if (address === undefined) {
      client.destroy();
      return;
    }
    const certificate = material.clientCa === undefined ? undefined : presentedCertificate(client);
    const tunnel: Tunnel = new Tunnel(client, {
      innerPort,
      opened: (inner) =>
        connections.add(inner, { address, certificate, sendInstead: (file) => tunnel.sendInstead(file) }),
      closing: (inner) => connections.remove(inner),
      failed,
      ended: () => {
        this.#tunnels.delete(tunnel);
        this.#checkDrained();
      },
    });
    this.#tunnels.add(tunnel);
  }

  #checkDrained(): void {
    if (this.#isStopping && this.#tunnels.size === 0) this.#drained.resolve();
  }
}

function optionsOf({ chain, key, clientCa }: TlsMaterial): TlsOptions {
  const common = { cert: chain, key, minVersion: 'TLSv1.2', secureOptions: NO_TICKETS } as const;
  // Without a CA, BoringSSL would look for the issuer of a single certificate in the system's files at each handshake.
  return { ...common, ca: clientCa ?? chain };
}
