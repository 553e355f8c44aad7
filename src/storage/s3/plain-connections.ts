import type { OpenBody } from './object-stream.ts';
import { type PlainAddress, PlainConnection, type PlainRequest } from './plain-connection.ts';

/** Kept for the next request: as many as are worth it where layers are pulled one after another by many. */
const MOST_IDLE = 32;
/** Of those that are being made for nobody any more: the system tries for minutes, and each has a descriptor that nothing takes back. */
const MOST_ABANDONED = 16;

/** Connections to one store, as many as there are bodies that are being read. */
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
   * As `ask` of a connection; one that was kept and is dead by now is replaced. Also undefined while the store lets many try in vain:
   * another client can give a try up.
   */
  async get(request: PlainRequest, signal: AbortSignal): Promise<OpenBody | undefined> {
    signal.throwIfAborted();
    for (let kept = this.#idle.pop(); kept !== undefined; kept = this.#idle.pop()) {
      try {
        return await kept.ask(request, signal);
      } catch (error) {
        if (signal.aborted) throw error;
      }
    }
    if (this.#abandoned >= MOST_ABANDONED) return undefined;
    const connection = await this.#connect(signal);
    return await connection.ask(request, signal);
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
            throw new Error('the connection to the object store came too late');
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
    if (this.#ended || this.#idle.length >= MOST_IDLE) connection.destroy();
    else this.#idle.push(connection);
  }

  #forget(connection: PlainConnection): void {
    this.#open.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
  }
}
