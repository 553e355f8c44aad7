import type { OpenBody } from './object-stream.ts';

/** What to do after bytes were received: `enough` pauses the socket until they are read, `whole` means that they were the last ones. */
type Received = 'more' | 'enough' | 'whole' | 'too-many';

interface PlainBodyPorts {
  /** All received bytes were read: resume the socket. */
  readonly wanted: () => void;
  /** Closes the connection. */
  readonly destroy: () => void;
}

/** The body of one response. Bytes that arrive before they are read are queued, at most those of one socket read. */
export class PlainBody implements OpenBody {
  readonly chunks: AsyncIterator<Uint8Array> = { next: () => this.#next() };
  readonly #ports: PlainBodyPorts;
  readonly #waiting: Uint8Array[] = [];
  #left: number;
  #taker: ((result: IteratorResult<Uint8Array>) => void) | undefined;
  /** No more bytes arrive. */
  #ended = false;

  constructor(length: number, ports: PlainBodyPorts) {
    this.#left = length;
    this.#ports = ports;
  }

  receive(bytes: Uint8Array): Received {
    if (bytes.length > this.#left) return 'too-many';
    this.#left -= bytes.length;
    if (this.#left === 0) this.#ended = true;
    const taker = this.#taker;
    this.#taker = undefined;
    if (taker === undefined) this.#waiting.push(bytes);
    else taker({ done: false, value: bytes });
    if (this.#left === 0) return 'whole';
    return taker === undefined ? 'enough' : 'more';
  }

  /** The connection is gone. */
  end(): void {
    this.#ended = true;
    this.#taker?.({ done: true, value: undefined });
    this.#taker = undefined;
  }

  destroy(): void {
    this.#waiting.length = 0;
    // The connection may serve another request by now.
    if (this.#ended) return;
    this.end();
    this.#ports.destroy();
  }

  #next(): Promise<IteratorResult<Uint8Array>> {
    const value = this.#waiting.shift();
    if (value !== undefined) {
      if (this.#waiting.length === 0 && !this.#ended) this.#ports.wanted();
      return Promise.resolve({ done: false, value });
    }
    if (this.#ended) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#taker = resolve;
    });
  }
}
