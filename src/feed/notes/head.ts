/**
 * The newest note that a process has written, in memory that its threads share. Where no other process writes to the store it is the
 * newest note there is.
 */
export class NotesHead {
  readonly #seq: BigInt64Array;
  /** Counts the notes since the start; threads wait for it to change. */
  readonly #bell: Int32Array;

  /** @param memory from `NotesHead.allocate`, the same for all threads of the process */
  constructor(memory: SharedArrayBuffer) {
    this.#seq = new BigInt64Array(memory, 0, 1);
    this.#bell = new Int32Array(memory, BigInt64Array.BYTES_PER_ELEMENT, 1);
  }

  static allocate(): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(2 * BigInt64Array.BYTES_PER_ELEMENT);
    new BigInt64Array(memory, 0, 1)[0] = UNKNOWN;
    return memory;
  }

  /** undefined while no thread has read the notes. */
  get seq(): number | undefined {
    const seq = Atomics.load(this.#seq, 0);
    return seq === UNKNOWN ? undefined : Number(seq);
  }

  /** Called by the only thread that writes notes, once one is durable. */
  raise(seq: number): void {
    Atomics.store(this.#seq, 0, BigInt(seq));
    Atomics.add(this.#bell, 0, 1);
    Atomics.notify(this.#bell, 0);
  }

  /** Calls `ring` after each raise, until it is stopped. @returns stops it */
  listen(ring: () => void): () => void {
    let isStopped = false;
    let heard = Atomics.load(this.#bell, 0);
    const listen = async (): Promise<void> => {
      while (!isStopped) {
        const wait = Atomics.waitAsync(this.#bell, 0, heard, LISTEN_MS);
        if (wait.async) await wait.value;
        const now = Atomics.load(this.#bell, 0);
        if (isStopped || now === heard) continue;
        heard = now;
        ring();
      }
    };
    void listen();
    return () => {
      isStopped = true;
    };
  }
}

const UNKNOWN = -1n;
/** A wait that is no longer needed ends after this time. */
const LISTEN_MS = 1_000;
