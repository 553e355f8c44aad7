import { FFIType, ptr } from 'bun:ffi';
import { readdirSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { loadLibc } from '../system/libc.ts';

/** The other end of a connection. */
export interface Peer {
  readonly address: string;
  readonly port: number;
}

// Constants of Linux, the same on every CPU that Bun supports.
const AF_INET = 2;
const AF_INET6 = 10;
const F_DUPFD_CLOEXEC = 1030;
const TIOCOUTQ = 0x5411;
const SHUT_WR = 1;
const SHUT_RDWR = 2;
/** In bytes: larger than any socket address. */
const ADDRESS_BYTES = 128;
const MAPPED = '::ffff:';

const { i32, ptr: pointer, u64 } = FFIType;

function load() {
  return loadLibc({
    getpeername: { args: [i32, pointer, pointer], returns: i32 },
    getsockname: { args: [i32, pointer, pointer], returns: i32 },
    fcntl: { args: [i32, i32, i32], returns: i32 },
    ioctl: { args: [i32, u64, pointer], returns: i32 },
    shutdown: { args: [i32, i32], returns: i32 },
  });
}

/** Finds this process's connections by their peer: Bun does not expose their descriptors. */
export class Connections {
  readonly #libc = load();
  readonly #end = new DataView(new ArrayBuffer(ADDRESS_BYTES));
  readonly #length = new Uint32Array(1);
  readonly #queued = new Int32Array(1);

  /**
   * Duplicates the descriptor of the connection between this peer and a local port. The kernel reports the peer of each descriptor, so the
   * duplicate cannot belong to another client.
   * @returns undefined if no connection or more than one is found, or if it still has bytes to send
   */
  borrow(localPort: number, peer: Peer): number | undefined {
    const address = normal(peer.address);
    if (address === undefined) return undefined;
    let found: number | undefined;
    for (const name of readdirSync('/proc/self/fd')) {
      const descriptor = Number(name);
      if (!this.#isBetween(descriptor, localPort, address, peer.port)) continue;
      // One client port can be connected to two local addresses.
      if (found !== undefined) return undefined;
      found = descriptor;
    }
    // The end of an earlier response may still be queued in Bun: bytes sent now would overtake it.
    if (found === undefined || !this.#isDrained(found)) return undefined;
    const second = this.#libc.fcntl(found, F_DUPFD_CLOEXEC, 0);
    return second < 0 ? undefined : second;
  }

  /** Shuts a connection down in both directions. */
  shutDown(descriptor: number): void {
    this.#libc.shutdown(descriptor, SHUT_RDWR);
  }

  /** Ends the sending side of a connection, after what was written. */
  endSending(descriptor: number): void {
    this.#libc.shutdown(descriptor, SHUT_WR);
  }

  #isBetween(descriptor: number, localPort: number, address: string, port: number): boolean {
    const { getpeername, getsockname } = this.#libc;
    // The address is compared last: there may be thousands of connections, and this blocks other requests.
    if (this.#portOf(getpeername, descriptor) !== port || normal(addressIn(this.#end)) !== address) return false;
    return this.#portOf(getsockname, descriptor) === localPort;
  }

  /** The port of one end of a connection. Stores the socket address in `#end`. @returns undefined if the descriptor is no connection */
  #portOf(query: ReturnType<typeof load>['getpeername'], descriptor: number): number | undefined {
    this.#length[0] = ADDRESS_BYTES;
    if (query(descriptor, ptr(this.#end), ptr(this.#length)) !== 0) return undefined;
    // The family is in host byte order (every CPU that Bun supports is little-endian), the port in network byte order.
    const family = this.#end.getUint16(0, true);
    return family === AF_INET || family === AF_INET6 ? this.#end.getUint16(2) : undefined;
  }

  #isDrained(descriptor: number): boolean {
    return this.#libc.ioctl(descriptor, TIOCOUTQ, ptr(this.#queued)) === 0 && this.#queued[0] === 0;
  }
}

/** The address in a `sockaddr_in` or `sockaddr_in6`. */
function addressIn(end: DataView): string {
  if (end.getUint16(0, true) === AF_INET) return [4, 5, 6, 7].map((at) => end.getUint8(at)).join('.');
  return Array.from({ length: 8 }, (_, group) => end.getUint16(8 + 2 * group).toString(16)).join(':');
}

/** The canonical form of an address; undefined if it is not an address, or has a zone. */
function normal(address: string): string | undefined {
  if (isIPv4(address)) return address;
  const tail = address.startsWith(MAPPED) ? address.slice(MAPPED.length) : '';
  if (isIPv4(tail)) return tail;
  const url = URL.parse(`http://[${address}]`);
  if (url === null) return undefined;
  const mapped = /^\[::ffff:([\da-f]+):([\da-f]+)\]$/.exec(url.hostname);
  if (mapped === null) return url.hostname;
  const [high, low] = [Number.parseInt(mapped[1] ?? '', 16), Number.parseInt(mapped[2] ?? '', 16)];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}
