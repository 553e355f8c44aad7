/** How much resident memory may grow before it is trimmed: by these bytes or this share, whichever is more. */
const MAX_GROWTH = { bytes: 32 * 1024 * 1024, share: 1 / 8 };

export interface MemoryPorts {
  /** Resident bytes of the process. */
  readonly resident: () => number;
  /** Collects garbage and returns unused memory at once. */
  readonly collect: () => void;
}

/**
 * Returns a function to call between pieces of work that make much garbage. Without it the engine lets garbage grow to the size of
 * the live heap, and its allocator keeps freed memory for a while. A trim takes tens of milliseconds, so a process that serves
 * requests must not use it.
 */
export function memoryTrimmer({ resident, collect }: MemoryPorts): () => void {
  let least = resident();
  return () => {
    const now = resident();
    if (now > least + Math.max(MAX_GROWTH.bytes, least * MAX_GROWTH.share)) {
      collect();
      // The rest is live memory.
      least = resident();
    } else {
      least = Math.min(least, now);
    }
  };
}
