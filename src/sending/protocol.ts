import type { Peer } from './connections.ts';

/** A response whose body is a range of a file. */
export interface FileAnswer extends Pick<SendFile, 'head' | 'file' | 'start' | 'end'> {
  readonly peer: Peer;
  /** The local port of the connection. */
  readonly localPort: number;
}

/**
 * Sends responses from another thread. The server must not respond on the connection of such a response, because the thread shuts it
 * down after the file.
 */
export interface FileSender {
  /** @returns undefined if another thread cannot send it: then nothing was sent */
  send(answer: FileAnswer): Promise<SendReply> | undefined;
}

/** Messages to a sending thread: first `start`, then responses to send. */
export type SendRequest =
  | {
      readonly kind: 'start';
      /** A pipe that gets a byte with each further request: while the thread polls its connections it receives no messages. */
      readonly wake: number;
      /** Milliseconds after which a client that reads nothing is dropped. */
      readonly idle: number;
    }
  | SendFile;

/** A whole response, for a connection to which nothing else is written any more. */
export interface SendFile {
  readonly kind: 'send';
  readonly id: number;
  /** A descriptor of the process. The requester closes it after the reply. */
  readonly socket: number;
  readonly head: Uint8Array;
  /** A descriptor that the requester also closes after the reply. */
  readonly file: number;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** The connection is shut down. */
export interface SendReply {
  readonly id: number;
  /** Bytes of the body that the kernel accepted. */
  readonly sent: number;
  readonly outcome: Outcome;
}

export type Outcome =
  | { readonly kind: 'whole' }
  | { readonly kind: 'client-gone' }
  | { readonly kind: 'stalled' }
  | { readonly kind: 'failed'; readonly message: string };
