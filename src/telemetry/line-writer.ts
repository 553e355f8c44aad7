import { type Shape, SharedBuffers, type SinkMemory, type WriterStart } from './line-protocol.ts';

/** A reader that is 16 MiB behind blocks the process, because lines are never dropped and memory is bounded. */
const SHAPE: Shape = { buffers: 64, bufferBytes: 256 * 1024 };
/** A thread fills one buffer while others are written. */
const MIN_BUFFERS = 4;

/** The thread that writes the log lines of all threads. Lines of one thread keep their order, and no line is written into another one. */
export class LineWriter {
  /** One for each thread. */
  readonly sinks: readonly SinkMemory[];
  readonly #worker = new Worker(new URL('./line-worker.ts', import.meta.url).href);

  /**
   * @param fd the file to write to
   * @param threads how many threads log
   * @param shape of the memory of all threads together
   * @param first for tests: the first sequence number, which is 32-bit and wraps around
   */
  constructor(fd: number, threads = 1, shape = SHAPE, first = 0) {
    const bell = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    const share = shareOf(shape, threads);
    this.sinks = Array.from({ length: threads }, () => SharedBuffers.allocate(share, bell, first));
    this.#worker.onerror = ({ message }) => {
      // Without it the process would block forever once its memory for lines is full.
      throw new Error(`the thread that writes the log ended: ${message}`);
    };
    this.#worker.unref();
    this.#worker.postMessage({ fd, sinks: this.sinks } satisfies WriterStart);
  }
}

/** Numbers of buffers are powers of two. */
function shareOf(shape: Shape, threads: number): Shape {
  if (threads === 1) return shape;
  const buffers = 2 ** Math.floor(Math.log2(shape.buffers / threads));
  return { ...shape, buffers: Math.max(MIN_BUFFERS, buffers) };
}
