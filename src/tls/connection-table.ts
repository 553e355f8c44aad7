import type { Authenticated } from '../access/authenticator.ts';
import { ClientCertificate } from './client-certificate.ts';
import type { PresentedCertificate } from './presented-certificate.ts';
import type { FileToSend } from './send-file.ts';

/** The client behind a connection to the HTTP server. */
export interface TlsConnection {
  readonly address: string;
  /** What its certificate proves now; undefined if it has none. */
  readonly certificate: Authenticated | undefined;
  /** As in `Tunnel`. */
  readonly sendInstead: (file: FileToSend) => string | undefined;
}

export interface TlsClient extends Pick<TlsConnection, 'address' | 'sendInstead'> {
  /** undefined if it presented none. */
  readonly certificate: PresentedCertificate | undefined;
}

/** This side of a connection to the HTTP server. */
export interface OwnEnd {
  readonly port: number;
  /** Whether the connection exists at this moment. */
  readonly isConnected: boolean;
}

/** Connections to the HTTP server are made from this address. */
const OWN_ADDRESS = '127.0.0.1';

class Entry implements TlsConnection {
  readonly address: string;
  readonly sendInstead: TlsClient['sendInstead'];
  readonly end: OwnEnd;
  readonly #certificate: ClientCertificate | undefined;
  readonly #now: () => number;

  constructor(end: OwnEnd, { address, certificate, sendInstead }: TlsClient, now: () => number) {
    this.end = end;
    this.address = address;
    this.sendInstead = sendInstead;
    this.#certificate = certificate === undefined ? undefined : new ClientCertificate(certificate);
    this.#now = now;
  }

  get certificate(): Authenticated | undefined {
    return this.#certificate?.authenticate(this.#now());
  }
}

/**
 * Maps connections to the HTTP server to their clients. The HTTP server sees only that they come from this machine, and from which port.
 * Other processes of this machine can connect too, but have no entry here.
 */
export class ConnectionTable {
  readonly #entries = new Map<number, Entry>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * The client behind a connection.
   * @param peer its other end. The address matters because any process can use the same port at other loopback addresses
   */
  of({ address, port }: { readonly address: string; readonly port: number }): TlsConnection | undefined {
    const entry = address === OWN_ADDRESS ? this.#entries.get(port) : undefined;
    // Two connections cannot have the same ports at once, so while the entry's own connection exists, this is the one.
    return entry?.end.isConnected === true ? entry : undefined;
  }

  add(end: OwnEnd, client: TlsClient): void {
    this.#entries.set(end.port, new Entry(end, client, this.#now));
  }

  /** Removes a connection. Another one that has got its port stays. */
  remove(end: OwnEnd): void {
    if (this.#entries.get(end.port)?.end === end) this.#entries.delete(end.port);
  }
}
