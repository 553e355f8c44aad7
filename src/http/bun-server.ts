export type BunServer = Bun.Server<unknown> | null;

/** Seconds of silence after which Bun closes a connection that waits for a request, or that does not take its response. */
export const IDLE_SECONDS = 60;
