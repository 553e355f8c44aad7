import type { OpenBody } from './object-stream.ts';
import { type PlainAddress, PlainConnection, type PlainRequest } from './plain-connection.ts';

/** Idle connections kept for the next requests, enough for many clients that pull layer after layer. */
const MAX_IDLE = 32;
/** Connection attempts without a waiting request. The system retries them for minutes, and their descriptors cannot be closed before. */
const MAX_ABANDONED = 16;

/** Connections to one store: one for each body that is being read, and idle ones. */
export class PlainConnections {
  readonly #address: PlainAddress;
  readonly #open = new Set<PlainConnection>();
  readonly #idle: PlainConnection[] = [];
  #abandoned = 0;
  #ended = false;

  constructor(address: PlainAddress) {
    this.#address = address;
  }

  /**
   * Like `PlainConnection.request`; an idle connection that has died is replaced. Also undefined while too many connection attempts
   * hang, because other clients can cancel theirs.
   */
  async get(request: PlainRequest, signal: AbortSignal): Promise<OpenBody | undefined> {
    signal.throwIfAborted();
    for (let kept = this.#idle.pop(); kept !== undefined; kept = this.#idle.pop()) {
      try {
        return await kept.request(request, signal);
      } catch (error) {
        if (signal.aborted) throw error;
      }
    }
    if (this.#abandoned >= MAX_ABANDONED) return undefined;
    const connection = await this.#connect(signal);
    return await connection.request(request, signal);
  }

  close(): void {
    this.#ended = true;
    for (const each of [...this.#open]) each.destroy();
  }

  #connect(signal: AbortSignal): Promise<PlainConnection> {
    const opening = PlainConnection.open(this.#address, {
      idle: (connection) => this.#keep(connection),
      closed: (connection) => this.#forget(connection),
    });
    return new Promise((resolve, reject) => {
      let abandoned = false;
      const abort = (): void => {
        abandoned = true;
        this.#abandoned++;
        reject(signal.reason);
      };
      signal.addEventListener('abort', abort);
      opening
        .then((connection) => {
          if (abandoned || this.#ended) {
            connection.destroy();
            throw new Error('the connection to the object store was established too late');
          }
          this.#open.add(connection);
          resolve(connection);
        })
        .catch(reject)
        .finally(() => {
          signal.removeEventListener('abort', abort);
          if (abandoned) this.#abandoned--;
        });
    });
  }

  #keep(connection: PlainConnection): void {
    if (this.#ended || this.#idle.length >= MAX_IDLE) connection.destroy();
    else this.#idle.push(connection);
  }

  #forget(connection: PlainConnection): void {
    this.#open.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
  }
}
