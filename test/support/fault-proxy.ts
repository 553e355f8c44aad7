import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Random } from './drill/random.ts';

/** What happens to connections on their way. */
export interface Weather {
  /** Of so many answers one is lost, after the server did what it was asked for, together with its connection; 0: none. */
  readonly lostAnswers: number;
  /** Of so many requests one never arrives; 0: none. */
  readonly lostRequests: number;
  /** Of so many answers one comes late; 0: none. */
  readonly lateAnswers: number;
  /** How late at most (milliseconds). */
  readonly late: number;
}

export const CALM: Weather = { lostAnswers: 0, lostRequests: 0, lateAnswers: 0, late: 0 };

/** Stands before a server, whatever it speaks: passes bytes on, loses some with their connection, and holds some back. */
export class FaultProxy {
  weather: Weather = CALM;
  lost = 0;
  /** Answers that are lost next, whatever the weather. */
  toLose = 0;
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
      // A connection that breaks on one side breaks on the other: that is all there is to say of it.
      socket.on('error', end);
      socket.on('close', end);
    }
    this.#pass(
      client,
      server,
      end,
      () => this.#drawn(this.weather.lostRequests),
      () => 0,
    );
    this.#pass(
      server,
      client,
      end,
      () => this.#losesAnswer(),
      () => this.#lateness(),
    );
  }

  #pass(from: Socket, to: Socket, end: () => void, isLost: () => boolean, lateness: () => number): void {
    from.on('data', (bytes) => {
      if (isLost()) {
        this.lost++;
        end();
        return;
      }
      const wait = lateness();
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

  #losesAnswer(): boolean {
    if (this.toLose === 0) return this.#drawn(this.weather.lostAnswers);
    this.toLose--;
    return true;
  }

  #drawn(oneOf: number): boolean {
    return oneOf > 0 && this.#random.chance(1 / oneOf);
  }

  #lateness(): number {
    return this.#drawn(this.weather.lateAnswers) ? this.#random.between(1, this.weather.late) : 0;
  }
}
