/** Ends a turn, which is then the next writer's. To be called once. */
export type EndTurn = () => void;

/**
 * The order in which the threads of a process write to one log. It saves them the work of deciding on a slot that another thread takes.
 * Safety does not depend on it.
 */
export interface Turns {
  /** Waits for the other threads, but not for long: then the writer goes on without a turn. It never rejects. */
  take(): EndTurn | Promise<EndTurn>;
}
