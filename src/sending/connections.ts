import { FFIType, ptr } from 'bun:ffi';
import { readdirSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { loadLibc } from '../system/libc.ts';

/** The other end of a connection. */
export interface Peer {
  readonly address: string;
  readonly port: number;
}

// Linux, on each processor that Bun runs on.
const AF_INET = 2;
const AF_INET6 = 10;
const F_DUPFD_CLOEXEC = 1030;
const TIOCOUTQ = 0x5411;
const SHUT_RDWR = 2;
/** Bytes: more than any address of a socket has. */
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

/** Finds connections of this process by who is at their other end: Bun does not tell their descriptors. */
export class Connections {
  readonly #libc = load();
  readonly #end = new DataView(new ArrayBuffer(ADDRESS_BYTES));
  readonly #length = new Uint32Array(1);
  readonly #queued = new Int32Array(1);

  /**
   * A second descriptor of the connection that this peer has with a port of ours. The kernel is asked who is at its other end, so it
   * leads to that peer or to nobody.
   * @returns undefined where none, or more than one, is found, and where something is still being sent
   */
  borrow(localPort: number, peer: Peer): number | undefined {
    const address = normal(peer.address);
    if (address === undefined) return undefined;
    let found: number | undefined;
    for (const name of readdirSync('/proc/self/fd')) {
      const descriptor = Number(name);
      if (!this.#isBetween(descriptor, localPort, address, peer.port)) continue;
      // One client port can be used for two of our addresses.
      if (found !== undefined) return undefined;
      found = descriptor;
    }
    // The end of an earlier answer may still wait in Bun: what is sent now would overtake it.
    if (found === undefined || !this.#isDrained(found)) return undefined;
    const second = this.#libc.fcntl(found, F_DUPFD_CLOEXEC, 0);
    return second < 0 ? undefined : second;
  }

  /** Ends a connection for both sides. */
  cut(descriptor: number): void {
    this.#libc.shutdown(descriptor, SHUT_RDWR);
  }

  #isBetween(descriptor: number, localPort: number, address: string, port: number): boolean {
    const { getpeername, getsockname } = this.#libc;
    // The address is looked at last: there may be thousands of connections, and other clients wait for this.
    if (this.#portOf(getpeername, descriptor) !== port || normal(addressIn(this.#end)) !== address) return false;
    return this.#portOf(getsockname, descriptor) === localPort;
  }

  /** Of one end of a connection, whose address is then in `#end`; undefined for what is no connection. */
  #portOf(ask: ReturnType<typeof load>['getpeername'], descriptor: number): number | undefined {
    this.#length[0] = ADDRESS_BYTES;
    if (ask(descriptor, ptr(this.#end), ptr(this.#length)) !== 0) return undefined;
    // The kernel's order of bytes is that of the processor, and all that Bun runs on are little-endian; ports are in network order.
    const family = this.#end.getUint16(0, true);
    return family === AF_INET || family === AF_INET6 ? this.#end.getUint16(2) : undefined;
  }

  #isDrained(descriptor: number): boolean {
    return this.#libc.ioctl(descriptor, TIOCOUTQ, ptr(this.#queued)) === 0 && this.#queued[0] === 0;
  }
}

/** Of a `sockaddr_in` or `sockaddr_in6`. */
function addressIn(end: DataView): string {
  if (end.getUint16(0, true) === AF_INET) return [4, 5, 6, 7].map((at) => end.getUint8(at)).join('.');
  return Array.from({ length: 8 }, (_, group) => end.getUint16(8 + 2 * group).toString(16)).join(':');
}

/** One spelling for each address; undefined for what is none, or has a zone. */
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
