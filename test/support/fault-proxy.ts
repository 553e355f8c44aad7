import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Random } from './drill/random.ts';

/** The faults of connections. */
export interface ConnectionFaults {
  /** One of this many responses is lost with its connection, after the server has handled the request; 0: none. */
  readonly lostResponses: number;
  /** One of this many requests never arrives; 0: none. */
  readonly lostRequests: number;
  /** One of this many responses is delayed; 0: none. */
  readonly delayedResponses: number;
  /** The longest delay, in milliseconds. */
  readonly maxDelay: number;
}

export const NO_FAULTS: ConnectionFaults = { lostResponses: 0, lostRequests: 0, delayedResponses: 0, maxDelay: 0 };

/** A proxy in front of a server of any protocol: forwards bytes, drops some with their connection, and delays some. */
export class FaultProxy {
  faults: ConnectionFaults = NO_FAULTS;
  lost = 0;
  /** The number of next responses to lose, whatever `faults` says. */
  loseNext = 0;
  delayed = 0;
  readonly #server: Server;
  readonly #random: Random;
  readonly #open = new Set<Socket>();

  private constructor(server: Server, random: Random) {
    this.#server = server;
    this.#random = random;
  }

  static async open(target: number, random: Random): Promise<FaultProxy> {
    const server = createServer({ noDelay: true });
    const proxy = new FaultProxy(server, random);
    server.on('connection', (client) => proxy.#carry(client, target));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return address.port;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#open) socket.destroy();
    await closed;
  }

  #carry(client: Socket, target: number): void {
    const server = connect({ host: '127.0.0.1', port: target, noDelay: true });
    const end = (): void => {
      for (const socket of [client, server]) {
        this.#open.delete(socket);
        socket.destroy();
      }
    };
    for (const socket of [client, server]) {
      this.#open.add(socket);
      // A connection that breaks on one side is closed on the other.
      socket.on('error', end);
      socket.on('close', end);
    }
    this.#pass(
      client,
      server,
      end,
      () => this.#drawn(this.faults.lostRequests),
      () => 0,
    );
    this.#pass(
      server,
      client,
      end,
      () => this.#losesResponse(),
      () => this.#delay(),
    );
  }

  #pass(from: Socket, to: Socket, end: () => void, isLost: () => boolean, delay: () => number): void {
    from.on('data', (bytes) => {
      if (isLost()) {
        this.lost++;
        end();
        return;
      }
      const wait = delay();
      if (wait === 0) {
        if (to.write(bytes)) return;
        from.pause();
        to.once('drain', () => from.resume());
        return;
      }
      this.delayed++;
      from.pause();
      setTimeout(() => {
        if (to.destroyed) return;
        to.write(bytes);
        from.resume();
      }, wait);
    });
  }

  #losesResponse(): boolean {
    if (this.loseNext === 0) return this.#drawn(this.faults.lostResponses);
    this.loseNext--;
    return true;
  }

  #drawn(oneOf: number): boolean {
    return oneOf > 0 && this.#random.chance(1 / oneOf);
  }

  #delay(): number {
    return this.#drawn(this.faults.delayedResponses) ? this.#random.between(1, this.faults.maxDelay) : 0;
  }
}
