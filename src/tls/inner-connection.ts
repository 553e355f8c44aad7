export interface InnerEvents {
  /** The HTTP server gets no byte before this returns. */
  readonly opened: () => void;
  /** @returns false if no more bytes are wanted before `resume` */
  readonly received: (bytes: Buffer) => boolean;
  /** All bytes so far have been accepted. */
  readonly drained: () => void;
  /** The HTTP server has sent its last byte. */
  readonly answered: () => void;
  /** The connection cannot be opened, for example because too many files are open. `closed` follows. */
  readonly failed: (error: unknown) => void;
  /** The last event, also if the connection could not be opened. */
  readonly closed: () => void;
}

type Socket = Bun.Socket<InnerConnection>;

/** A connection to the HTTP server, on behalf of one client. */
export class InnerConnection {
  readonly #events: InnerEvents;
  /** Bytes that the socket has not accepted yet. */
  readonly #waiting: Uint8Array[] = [];
  #socket: Socket | undefined;
  #port = 0;
  #isEnding = false;
  #isClosed = false;

  /** The same object for all connections, because Bun needs time for each new one. */
  static readonly #handlers: Bun.SocketHandler<InnerConnection> = {
    open: (socket) => socket.data.#opened(socket),
    data: (socket, bytes) => {
      if (!socket.data.#events.received(bytes)) socket.pause();
    },
    drain: (socket) => socket.data.#flush(socket),
    end: (socket) => socket.data.#events.answered(),
    close: (socket) => socket.data.#closed(),
  };

  /** Begins to connect. @param port of the HTTP server on 127.0.0.1 */
  constructor(port: number, events: InnerEvents) {
    this.#events = events;
    void this.#connect(port);
  }

  /** The local port, by which the HTTP server knows this connection; 0 until it is open. */
  get port(): number {
    return this.#port;
  }

  /**
   * Whether the connection exists now. After the HTTP server has reset it, other processes can use its port, even before this process
   * gets the event. `remotePort` asks the kernel, which knows.
   */
  get isConnected(): boolean {
    return this.#socket?.remotePort !== undefined;
  }

  /** @returns false if not all bytes are accepted yet: `drained` follows */
  write(bytes: Uint8Array): boolean {
    if (this.#isClosed || this.#isEnding) return true;
    if (this.#socket !== undefined && this.#waiting.length === 0) return this.#writeTo(this.#socket, bytes);
    this.#waiting.push(bytes);
    return false;
  }

  /** `received` is called again. */
  resume(): void {
    this.#socket?.resume();
  }

  /** Ends the connection after the bytes that were written. */
  end(): void {
    this.#isEnding = true;
    if (this.#waiting.length === 0) this.#socket?.end();
  }

  /** Ends the connection at once. Bytes that have not been accepted yet are discarded. */
  destroy(): void {
    this.#isEnding = true;
    this.#socket?.terminate();
  }

  async #connect(port: number): Promise<void> {
    try {
      await Bun.connect({ hostname: '127.0.0.1', port, data: this, socket: InnerConnection.#handlers });
    } catch (error) {
      this.#events.failed(error);
      this.#closed();
    }
  }

  #opened(socket: Socket): void {
    this.#socket = socket;
    this.#port = socket.localPort;
    this.#events.opened();
    this.#flush(socket);
  }

  #writeTo(socket: Socket, bytes: Uint8Array): boolean {
    // -1: the connection is closed, and the event follows.
    const written = Math.max(0, socket.write(bytes));
    if (written === bytes.length) return true;
    this.#waiting.unshift(bytes.subarray(written));
    return false;
  }

  #flush(socket: Socket): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if (!this.#writeTo(socket, next)) return;
    }
    if (this.#isEnding) socket.end();
    else this.#events.drained();
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#waiting.length = 0;
    this.#events.closed();
  }
}
