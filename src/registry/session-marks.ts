import { LRUCache } from 'lru-cache';
import type { UploadId } from '../oci/names.ts';

/** What the process that serves a data folder knows of its sessions beside their files: it ends with the process. */
export interface SessionMarks {
  /** Whether other threads of the process use the same marks, and may change any session. */
  readonly areShared: boolean;
  /** Takes a session for one request. @returns false if another request has it */
  take(id: UploadId): boolean;
  release(id: UploadId): void;
  isTaken(id: UploadId): boolean;
  /** Remembers that a session has ended, because its id is still valid by itself (session-ids.ts). */
  end(id: UploadId): void;
  hasEnded(id: UploadId): boolean;
}

/** Ended sessions that are remembered. */
const MAX_ENDED = 100_000;

/** The marks of a process with one thread. */
export class OwnMarks implements SessionMarks {
  readonly areShared = false;
  readonly #taken = new Set<UploadId>();
  readonly #ended = new LRUCache<UploadId, true>({ max: MAX_ENDED });

  take(id: UploadId): boolean {
    if (this.#taken.has(id)) return false;
    this.#taken.add(id);
    return true;
  }

  release(id: UploadId): void {
    this.#taken.delete(id);
  }

  isTaken(id: UploadId): boolean {
    return this.#taken.has(id);
  }

  end(id: UploadId): void {
    this.#ended.set(id, true);
  }

  hasEnded(id: UploadId): boolean {
    return this.#ended.has(id);
  }
}
