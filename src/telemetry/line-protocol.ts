/** What the serving thread says to the writing thread, once: where to write, and the memory that both see. */
export interface SinkStart {
  readonly fd: number;
  readonly memory: SharedArrayBuffer;
  readonly shape: Shape;
}

/** Memory for lines, in pieces that are written and used again one by one. */
export interface Shape {
  /** A power of two: a count of pieces that wraps around must go on at the right place. */
  readonly pieces: number;
  readonly pieceBytes: number;
}

/** Counters in the memory, 32-bit numbers that wrap around: pieces given to the writing thread so far … */
export const GIVEN = 0;
/** … and those that have left the process, or that found no room or no reader. */
export const DONE = 1;
const COUNTERS = 2;
const WORD_BYTES = Int32Array.BYTES_PER_ELEMENT;

/**
 * The memory as both threads see it. A piece belongs to the serving thread until it is given, and to the writing thread until it
 * is done. The counters are told and looked at by Atomics only: that orders everything else.
 */
export class SharedPieces {
  readonly counters: Int32Array;
  /** Of each turn that is not over: which piece was given, and how much of it is text. */
  readonly #given: Int32Array;
  readonly #lengths: Int32Array;
  readonly #memory: SharedArrayBuffer;
  readonly #shape: Shape;
  readonly #pieces: Uint8Array[] = [];

  static allocate({ pieces, pieceBytes }: Shape): SharedArrayBuffer {
    const control = controlBytes(pieces);
    // Bun collects garbage the more seldom the more memory it counts, so that what is never needed would cost more than itself.
    return new SharedArrayBuffer(control, { maxByteLength: control + pieces * pieceBytes });
  }

  constructor(memory: SharedArrayBuffer, shape: Shape) {
    const { pieces } = shape;
    this.#memory = memory;
    this.#shape = shape;
    this.counters = new Int32Array(memory, 0, COUNTERS);
    this.#given = new Int32Array(memory, COUNTERS * WORD_BYTES, pieces);
    this.#lengths = new Int32Array(memory, (COUNTERS + pieces) * WORD_BYTES, pieces);
  }

  /** All of a piece. The memory grows with those that are asked for. */
  piece(number: number): Uint8Array {
    const known = this.#pieces[number];
    if (known !== undefined) return known;
    const { pieces, pieceBytes } = this.#shape;
    const start = controlBytes(pieces) + number * pieceBytes;
    if (this.#memory.byteLength < start + pieceBytes) this.#memory.grow(start + pieceBytes);
    const piece = new Uint8Array(this.#memory, start, pieceBytes);
    this.#pieces[number] = piece;
    return piece;
  }

  /** Says what is given in a turn; the counter that tells of it comes after. */
  give(turn: number, piece: number, length: number): void {
    const at = this.#place(turn);
    this.#given[at] = piece;
    this.#lengths[at] = length;
  }

  /** The piece of a turn. */
  given(turn: number): number {
    return this.#given[this.#place(turn)] ?? 0;
  }

  /** The text of a turn. */
  text(turn: number): Uint8Array {
    return this.piece(this.given(turn)).subarray(0, this.#lengths[this.#place(turn)]);
  }

  #place(turn: number): number {
    return turn & (this.#shape.pieces - 1);
  }
}

function controlBytes(pieces: number): number {
  return (COUNTERS + 2 * pieces) * WORD_BYTES;
}
