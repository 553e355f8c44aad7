export type BunServer = Bun.Server<unknown> | null;

/** Bun closes a connection after this many seconds without traffic, both while it waits for a request and while it sends a response. */
export const IDLE_SECONDS = 60;
