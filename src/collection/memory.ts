/** Bytes that a process may grow by before it gives back what it can; where it is large, a share of what it is. */
const MOST_GROWTH = { bytes: 32 * 1024 * 1024, share: 1 / 8 };

export interface MemoryPorts {
  /** Bytes of memory that the process has. */
  readonly resident: () => number;
  /** Gives back at once what is not used. */
  readonly collect: () => void;
}

/**
 * To be called between pieces of work that make much garbage: by itself the engine lets as much of it gather as is in use, and its
 * allocator keeps for a while what was freed. Each time takes some tens of milliseconds, so it is nothing for who answers requests.
 */
export function givesBackMemory({ resident, collect }: MemoryPorts): () => void {
  let least = resident();
  return () => {
    const now = resident();
    if (now > least + Math.max(MOST_GROWTH.bytes, least * MOST_GROWTH.share)) {
      collect();
      // What is still there is in use.
      least = resident();
    } else {
      least = Math.min(least, now);
    }
  };
}
