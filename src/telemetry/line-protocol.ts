/** What the serving thread says to the writing thread first: where to write, and the counters that both see. */
export interface SinkStart {
  readonly fd: number;
  readonly counters: SharedArrayBuffer;
}

/** Afterwards each message is one piece of text, as bytes. */
export type SinkMessage = SinkStart | Uint8Array<ArrayBuffer>;

/** Counter 0, a 32-bit number that wraps around: bytes that have left the process, or that nobody is there to read. */
export const DONE = 0;
