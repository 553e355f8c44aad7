// Records the bytes between clients and a server, as a network observer sees them.
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** What a socket has received; without an encoding it is never text. */
export function bytesOf(data: string | Buffer): Buffer {
  return typeof data === 'string' ? Buffer.from(data) : data;
}

interface Pace {
  bytesPerSecond: number | undefined;
}

export class Tap {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: ReadonlySet<Socket>;
  readonly #chunks: readonly Buffer[];
  readonly #pace: Pace;

  private constructor(server: Server, sockets: ReadonlySet<Socket>, chunks: readonly Buffer[], pace: Pace) {
    this.#server = server;
    this.#sockets = sockets;
    this.#chunks = chunks;
    this.#pace = pace;
    const { port } = server.address() as AddressInfo;
    this.port = port;
  }

  /** @param bytesPerSecond how fast clients get the server's bytes; undefined: as fast as they read */
  static async open(target: number, bytesPerSecond?: number): Promise<Tap> {
    const pace: Pace = { bytesPerSecond };
    const sockets = new Set<Socket>();
    const chunks: Buffer[] = [];
    const server = createServer((client) => {
      const upstream = connect(target, '127.0.0.1');
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => sockets.delete(socket));
      }
      client.on('data', (bytes) => chunks.push(bytesOf(bytes)));
      client.pipe(upstream);
      upstream.on('data', (bytes) => {
        chunks.push(bytesOf(bytes));
        client.write(bytes);
        if (pace.bytesPerSecond === undefined) return;
        upstream.pause();
        setTimeout(() => upstream.resume(), (1000 * bytes.length) / pace.bytesPerSecond);
      });
      upstream.on('end', () => client.end());
      client.on('close', () => upstream.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Tap(server, sockets, chunks, pace);
  }

  /** All bytes of both directions, in the order of their arrival. */
  get recorded(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** From now on clients get the server's bytes as fast as they read. */
  hurry(): void {
    this.#pace.bytesPerSecond = undefined;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
  }
}
