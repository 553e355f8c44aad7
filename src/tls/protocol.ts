import type { SendFile, SendReply } from '../sending/protocol.ts';

/** Certificates and key of a TLS thread. */
export interface TlsMaterial {
  /** In PEM. */
  readonly chain: string;
  readonly key: string;
  /** CAs of client certificates, in PEM; undefined if client certificates are not requested. */
  readonly clientCa: string | undefined;
}

/** A certificate that a client presented, and whose key it has proved to have. */
export interface PresentedCertificate {
  /** undefined if its subject has no common name, or several. */
  readonly commonName: string | undefined;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
  /** Why it is not trusted: an OpenSSL code such as CERT_HAS_EXPIRED; undefined if it is trusted. */
  readonly problem: string | undefined;
}

/** Where a thread listens. */
export interface TlsAddress {
  readonly host: string;
  readonly port: number;
  /** Whether other threads listen on the same port. The kernel then distributes connections among them. */
  readonly isShared: boolean;
}

/** Messages to a TLS thread. `inner` is always the local port of the connection that the thread made to the HTTP server. */
export type TlsRequest =
  | {
      readonly kind: 'listen';
      readonly address: TlsAddress;
      /** Port of the HTTP server on 127.0.0.1. */
      readonly innerPort: number;
      readonly material: TlsMaterial;
      readonly maxConnections: number;
    }
  /** New connections use this from now on. */
  | { readonly kind: 'material'; readonly material: TlsMaterial }
  /** The HTTP server knows the client of the connection: the thread may send bytes. */
  | { readonly kind: 'registered'; readonly inner: number }
  /** The HTTP server has forgotten the connection: the thread may free its port. */
  | { readonly kind: 'unregistered'; readonly inner: number }
  /** A file for the client of a connection, to be sent after the HTTP server's bytes have ended. */
  | (Omit<SendFile, 'kind' | 'socket' | 'head'> & {
      readonly kind: 'file';
      readonly inner: number;
      /** Milliseconds within which the client must accept a piece. */
      readonly idle: number;
    })
  /** An announced file is cancelled. */
  | { readonly kind: 'no-file'; readonly inner: number }
  /** Stop accepting connections. The reply is `drained`, when the last connection has ended. */
  | { readonly kind: 'stop' };

export type TlsReply =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'not-listening'; readonly code: string }
  | {
      readonly kind: 'opened';
      readonly inner: number;
      readonly address: string;
      readonly certificate: PresentedCertificate | undefined;
    }
  | { readonly kind: 'closing'; readonly inner: number }
  | { readonly kind: 'handshake-failed'; readonly code: string; readonly address: string | undefined }
  /** The thread will send the file once the HTTP server's bytes have ended. */
  | { readonly kind: 'file-expected'; readonly id: number }
  | ({ readonly kind: 'file-sent' } & SendReply)
  | { readonly kind: 'drained' };
