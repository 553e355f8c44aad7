/** How much resident memory may grow before it is trimmed: these bytes, or this share of a large process. */
const MAX_GROWTH = { bytes: 32 * 1024 * 1024, share: 1 / 8 };

export interface MemoryPorts {
  /** Resident bytes of the process. */
  readonly resident: () => number;
  /** Collects garbage and returns unused memory at once. */
  readonly collect: () => void;
}

/**
 * Call the result between pieces of work that make much garbage: left alone, the engine lets garbage grow to the size of what is in
 * use, and its allocator keeps freed memory for a while. A trim takes tens of milliseconds, so it is not for a process that serves.
 */
export function memoryTrimmer({ resident, collect }: MemoryPorts): () => void {
  let least = resident();
  return () => {
    const now = resident();
    if (now > least + Math.max(MAX_GROWTH.bytes, least * MAX_GROWTH.share)) {
      collect();
      // What is left is in use.
      least = resident();
    } else {
      least = Math.min(least, now);
    }
  };
}
