/** To a sending thread: first `start`, then answers to send. */
export type SendRequest =
  | {
      readonly kind: 'start';
      /** A byte comes there behind each further request: the thread may be waiting for its connections, and sees no message then. */
      readonly wake: number;
      /** Milliseconds after which a client that takes nothing is given up. */
      readonly idle: number;
    }
  | SendFile;

/** A whole answer, over a connection to which nobody else writes any more. */
export interface SendFile {
  readonly kind: 'send';
  readonly id: number;
  /** A descriptor of the process; whoever asks closes it, after the reply. */
  readonly socket: number;
  readonly head: Uint8Array;
  /** A descriptor of the process, too; whoever asks closes it, after the reply. */
  readonly file: number;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** The connection is shut down. */
export interface SendReply {
  readonly id: number;
  /** Bytes of the body that the kernel took. */
  readonly sent: number;
  readonly outcome: Outcome;
}

export type Outcome =
  | { readonly kind: 'whole' }
  | { readonly kind: 'client-gone' }
  | { readonly kind: 'stalled' }
  | { readonly kind: 'failed'; readonly message: string };
