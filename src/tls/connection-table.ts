import type { Authenticated } from '../access/authenticator.ts';
import { ClientCertificate } from './client-certificate.ts';
import type { PresentedCertificate } from './protocol.ts';

/** The client behind a connection to the HTTP server. */
export interface TlsConnection {
  readonly address: string;
  /** What its certificate proves at this time; undefined if it has none. */
  readonly certificate: Authenticated | undefined;
}

/** The threads connect to 127.0.0.1, and so from it. */
const THREADS_ADDRESS = '127.0.0.1';

class Entry implements TlsConnection {
  readonly address: string;
  readonly thread: symbol;
  readonly #certificate: ClientCertificate | undefined;
  readonly #now: () => number;

  constructor(thread: symbol, address: string, certificate: ClientCertificate | undefined, now: () => number) {
    this.thread = thread;
    this.address = address;
    this.#certificate = certificate;
    this.#now = now;
  }

  get certificate(): Authenticated | undefined {
    return this.#certificate?.authenticate(this.#now());
  }
}

/**
 * Which client is behind which connection to the HTTP server. The TLS threads connect to it over the loopback interface: it sees
 * their addresses and ports. Any other process of this machine can connect there too, but it has no entry.
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
   * @param peer its other end. A port that a thread uses is free at all other loopback addresses, from 127.0.0.2 on, for any process
   */
  of({ address, port }: { readonly address: string; readonly port: number }): TlsConnection | undefined {
    return address === THREADS_ADDRESS ? this.#entries.get(port) : undefined;
  }

  /** The thread that has the connection. */
  threadOf(port: number): symbol | undefined {
    return this.#entries.get(port)?.thread;
  }

  add(port: number, thread: symbol, address: string, certificate: PresentedCertificate | undefined): void {
    const known = certificate === undefined ? undefined : new ClientCertificate(certificate);
    this.#entries.set(port, new Entry(thread, address, known, this.#now));
  }

  remove(port: number): void {
    this.#entries.delete(port);
  }

  /** Removes all connections of a thread. */
  removeAll(thread: symbol): void {
    for (const [port, entry] of this.#entries) if (entry.thread === thread) this.#entries.delete(port);
  }
}
