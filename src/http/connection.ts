import type { Authenticated } from '../access/authenticator.ts';

/** The client at the other end of a connection. */
export interface Connection {
  readonly address: string;
  /** What its certificate proves now; undefined if it presented none. */
  readonly certificate: Authenticated | undefined;
  /**
   * Sends a response whose body is a file in place of the next response on this connection. That one must have status 200, no body, and the
   * returned mark as the value of a header.
   * @returns undefined if the server must send the file itself
   */
  readonly sendInstead: (file: FileInstead) => string | undefined;
}

export interface FileInstead {
  readonly head: Uint8Array;
  /** A descriptor. It stays open until `done`. */
  readonly file: number;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** Called once. @param failure why the client has not got all bytes, if it is not the client's doing */
  readonly done: (failure?: string) => void;
}

/** Connections that the TLS front makes to this server, on behalf of its clients. */
export interface TlsConnections {
  /** @param peer the other end of a connection to this server; @returns undefined if another process made the connection */
  of(peer: { readonly address: string; readonly port: number }): Connection | undefined;
}
