import { DONE, GIVEN, type Shape, SharedPieces, type SinkStart } from './line-protocol.ts';

/** A reader that is 16 MiB behind holds the process up: lines are never dropped, and memory is not for them. */
const SHAPE: Shape = { pieces: 256, pieceBytes: 64 * 1024 };
/** Characters of lines that are encoded together. */
const GATHERED = 8 * 1024;
const FLUSH_MS = 100;
/** How long the end of the process may wait for a reader that takes nothing. */
const LAST_MS = 5_000;
/** The longest that is waited before it is looked again whether the writing thread got on. */
const LOOK_MS = 1_000;

/**
 * Log lines on their way out. They are gathered in memory that another thread writes from, so that a line costs the serving
 * thread one copy. pino takes it as its destination.
 */
export class LineSink {
  readonly #worker = new Worker(new URL('./line-worker.ts', import.meta.url).href);
  readonly #shape: Shape;
  readonly #shared: SharedPieces;
  readonly #encoder = new TextEncoder();
  #lines = '';
  /** The piece that is being filled, and how far it is. */
  #piece: number | undefined;
  #filled = 0;
  /** Pieces without text; the one that was used last is taken first, while the processor's caches still have it. */
  readonly #free: number[] = [];
  /** Pieces that were used at least once. */
  #used = 0;
  /** Turns so far, and those of them whose pieces are free again. */
  #given: number;
  #freed: number;

  /** @param first for tests: the first turn, which is a number that wraps around */
  constructor(fd: number, shape = SHAPE, first = 0) {
    const memory = SharedPieces.allocate(shape);
    this.#shape = shape;
    this.#shared = new SharedPieces(memory, shape);
    this.#given = first | 0;
    this.#freed = this.#given;
    this.#shared.counters.fill(this.#given);
    this.#worker.onerror = ({ message }) => {
      // Without it the process would be held up for ever as soon as its memory for lines is full.
      throw new Error(`the thread that writes the log ended: ${message}`);
    };
    this.#worker.unref();
    this.#worker.postMessage({ fd, memory, shape } satisfies SinkStart);
    setInterval(() => this.#flush(), FLUSH_MS).unref();
  }

  write(line: string): void {
    this.#lines += line;
    if (this.#lines.length >= GATHERED) this.#encode(Number.POSITIVE_INFINITY);
  }

  /** Everything so far has left the process when this returns: to be called before it ends. */
  flushSync(): void {
    const deadline = performance.now() + LAST_MS;
    this.#encode(deadline);
    this.#give();
    while (this.#given !== this.#freed && this.#takeBack(deadline));
  }

  /** A writing thread that is behind comes to these lines no sooner by having them: they go on filling their piece. */
  #flush(): void {
    this.#takeBack(0);
    if (this.#given !== this.#freed) return;
    this.#encode(Number.POSITIVE_INFINITY);
    this.#give();
  }

  /** Encoding many lines at once costs less than each by itself. */
  #encode(deadline: number): void {
    let text = this.#lines;
    this.#lines = '';
    if (text === '' || this.#encodeWhole(text, deadline)) return;
    this.#give();
    // Lines end where a piece does, unless they are longer than one.
    if (this.#encodeWhole(text, deadline)) return;
    for (;;) {
      const room = this.#room(deadline);
      if (room === undefined) return;
      const { read, written } = this.#encoder.encodeInto(text, room);
      this.#filled += written;
      if (read === text.length) return;
      text = text.slice(read);
      this.#give();
    }
  }

  /** @returns false when there was not enough room in the piece: then nothing was added to it */
  #encodeWhole(text: string, deadline: number): boolean {
    const room = this.#room(deadline);
    if (room === undefined || text.length > room.length) return false;
    const { read, written } = this.#encoder.encodeInto(text, room);
    if (read < text.length) return false;
    this.#filled += written;
    return true;
  }

  /** The rest of the piece that is being filled. @returns undefined when there is none until the deadline */
  #room(deadline: number): Uint8Array | undefined {
    while (this.#piece === undefined) {
      this.#takeBack(0);
      this.#piece = this.#free.pop() ?? (this.#used < this.#shape.pieces ? this.#used++ : undefined);
      if (this.#piece === undefined && !this.#takeBack(deadline)) return undefined;
    }
    const piece = this.#shared.piece(this.#piece);
    return this.#filled === 0 ? piece : piece.subarray(this.#filled);
  }

  #give(): void {
    if (this.#piece === undefined || this.#filled === 0) return;
    this.#shared.give(this.#given, this.#piece, this.#filled);
    this.#piece = undefined;
    this.#filled = 0;
    this.#given = (this.#given + 1) | 0;
    Atomics.store(this.#shared.counters, GIVEN, this.#given);
    Atomics.notify(this.#shared.counters, GIVEN);
  }

  /**
   * Takes back the pieces that are done. Where there are none it holds this thread until there is one.
   * @returns false when there is none until the deadline
   */
  #takeBack(deadline: number): boolean {
    const { counters } = this.#shared;
    let done = Atomics.load(counters, DONE);
    for (; done === this.#freed; done = Atomics.load(counters, DONE)) {
      const left = deadline - performance.now();
      if (left <= 0) return false;
      Atomics.wait(counters, DONE, done, Math.min(left, LOOK_MS));
    }
    for (; this.#freed !== done; this.#freed = (this.#freed + 1) | 0) this.#free.push(this.#shared.given(this.#freed));
    return true;
  }
}
