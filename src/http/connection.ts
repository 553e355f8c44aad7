import type { Authenticated } from '../access/authenticator.ts';

/** The client at the other end of a connection. */
export interface Connection {
  readonly address: string;
  /** What its certificate proves at this time; undefined if it has shown none. */
  readonly certificate: Authenticated | undefined;
}

/** Connections that TLS threads make to this server, on behalf of their clients. */
export interface TlsConnections {
  /** @param peer the other end of a connection to this server; @returns undefined if the connection is not one of theirs */
  of(peer: { readonly address: string; readonly port: number }): Connection | undefined;
}
