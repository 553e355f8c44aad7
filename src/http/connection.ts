import type { Authenticated } from '../access/authenticator.ts';

/** The client at the other end of a connection. */
export interface Connection {
  readonly address: string;
  /** What its certificate proves now; undefined if it presented none. */
  readonly certificate: Authenticated | undefined;
}

/** Connections that the TLS front makes to this server, on behalf of its clients. */
export interface TlsConnections {
  /** @param peer the other end of a connection to this server; @returns undefined if another process made the connection */
  of(peer: { readonly address: string; readonly port: number }): Connection | undefined;
}
