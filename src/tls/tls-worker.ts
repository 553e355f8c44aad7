/*
 * A TLS thread. It performs the handshakes, and forwards bytes between clients and the HTTP server over connections of the loopback
 * interface. It reads big files itself (docs/decisions/0061).
 */
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import { presentedCertificate } from './presented-certificate.ts';
import type { TlsMaterial, TlsReply, TlsRequest } from './protocol.ts';
import { Tunnel } from './tunnel.ts';

declare const self: {
  onmessage: ((event: { data: TlsRequest }) => void) | null;
  postMessage(reply: TlsReply): void;
};

/** A client that has not finished its handshake by then is disconnected. */
const HANDSHAKE_MS = 10_000;
/** When the thread stops, it waits this long for requests that clients have already sent. */
const LINGER_MS = 50;
/** SSL_OP_NO_TICKET. A resumed session would count as verified even if the certificate has expired in the meantime. */
const NO_TICKETS = 0x4000;

let server: Server | undefined;
let isStopping = false;
/** By local port of the connection to the HTTP server. */
const tunnels = new Map<number, Tunnel>();
/** Number of clients, including those whose connection to the HTTP server is not open yet. */
let clients = 0;

self.onmessage = ({ data }) => {
  switch (data.kind) {
    case 'listen':
      listen(data);
      break;
    case 'material':
      server?.setSecureContext(optionsOf(data.material));
      break;
    case 'registered':
      tunnels.get(data.inner)?.start();
      break;
    case 'unregistered':
      forget(data.inner);
      break;
    case 'file':
      expectFile(data);
      break;
    case 'no-file':
      tunnels.get(data.inner)?.expectNoFile();
      break;
    case 'stop':
      stop();
      break;
  }
};

function stop(): void {
  isStopping = true;
  server?.close();
  // A request may already be in flight.
  setTimeout(() => {
    for (const tunnel of tunnels.values()) tunnel.endIfSilent();
  }, LINGER_MS);
  reportDrained();
}

function optionsOf({ chain, key, clientCa }: TlsMaterial): TlsOptions {
  const common = { cert: chain, key, minVersion: 'TLSv1.2' } as const;
  return clientCa === undefined ? common : { ...common, ca: clientCa, secureOptions: NO_TICKETS };
}

function listen({
  address: { host, port, isShared },
  innerPort,
  material,
  maxConnections,
}: Extract<TlsRequest, { kind: 'listen' }>): void {
  const listener = createServer({
    ...optionsOf(material),
    requestCert: material.clientCa !== undefined,
    // A client whose certificate is refused gets the reason in an HTTP response.
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_MS,
    ALPNProtocols: ['http/1.1'],
  });
  server = listener;
  listener.maxConnections = maxConnections;
  listener.on('secureConnection', (client) => open(client, innerPort));
  listener.on('tlsClientError', (error: NodeJS.ErrnoException, { remoteAddress }) => {
    self.postMessage({ kind: 'handshake-failed', code: error.code ?? 'unknown', address: remoteAddress });
  });
  listener.on('error', (error: NodeJS.ErrnoException) => {
    self.postMessage({ kind: 'not-listening', code: error.code ?? String(error) });
  });
  listener.listen({ host, port, reusePort: isShared }, () => {
    const bound = listener.address();
    if (bound === null || typeof bound === 'string') throw new Error('the TLS server has no port');
    self.postMessage({ kind: 'listening', port: bound.port });
  });
}

function open(client: TLSSocket, innerPort: number): void {
  const address = client.remoteAddress;
  // The client has already disconnected.
  if (address === undefined) {
    client.destroy();
    return;
  }
  const certificate = presentedCertificate(client);
  clients++;
  const tunnel = new Tunnel(client, innerPort, {
    opened: (inner) => {
      tunnels.set(inner, tunnel);
      self.postMessage({ kind: 'opened', inner, address, certificate });
    },
    closing: (inner) => self.postMessage({ kind: 'closing', inner }),
    ended: () => {
      clients--;
      reportDrained();
    },
    fileSent: (reply) => self.postMessage({ kind: 'file-sent', ...reply }),
  });
}

function forget(inner: number): void {
  const tunnel = tunnels.get(inner);
  tunnels.delete(inner);
  tunnel?.close();
}

function expectFile(file: Extract<TlsRequest, { kind: 'file' }>): void {
  const tunnel = tunnels.get(file.inner);
  if (tunnel?.expectFile(file) === true) self.postMessage({ kind: 'file-expected', id: file.id });
  else self.postMessage({ kind: 'file-sent', id: file.id, sent: 0, outcome: { kind: 'client-gone' } });
}

function reportDrained(): void {
  if (isStopping && clients === 0) self.postMessage({ kind: 'drained' });
}
