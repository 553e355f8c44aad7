import type { Authenticated } from '../access/authenticator.ts';
import { ClientCertificate } from './client-certificate.ts';
import type { PresentedCertificate } from './protocol.ts';

/** The client behind a connection to the HTTP server. */
export interface TlsConnection {
  readonly address: string;
  /** What its certificate proves now; undefined if it has none. */
  readonly certificate: Authenticated | undefined;
}

/** The threads connect to 127.0.0.1, so their own address is the same. */
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
 * Maps connections to the HTTP server to their clients. The TLS threads connect over the loopback interface, so the HTTP server sees
 * only their addresses and ports. Other processes of this machine can connect too, but have no entry here.
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
   * @param peer its other end. The address matters because any process can use a thread's port at other loopback addresses
   */
  of({ address, port }: { readonly address: string; readonly port: number }): TlsConnection | undefined {
    return address === THREADS_ADDRESS ? this.#entries.get(port) : undefined;
  }

  /** The thread that made the connection. */
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
