export type BunServer = Bun.Server<unknown> | null;

/** Bun closes a connection after this many seconds without a byte, whether it waits for a request or for its client to read a response. */
export const IDLE_SECONDS = 60;
