export type BunServer = Bun.Server<unknown> | null;

/** Bun closes a connection after this many seconds without traffic, both while it waits for a request and while it sends a response. */
export const IDLE_SECONDS = 60;

/**
 * The same for the body of a blob; Bun's maximum. Bun does not see that a client reads, only that a third of the connection's send buffer
 * is free again. With a buffer of 4 MB, a client of 22 KB/s would need more than a minute for that.
 */
export const SLOW_READER_SECONDS = 255;
