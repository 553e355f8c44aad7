import type { UploadId } from '../oci/names.ts';
import type { SessionMarks } from '../registry/session-marks.ts';
import { type InProgress, SharedTable } from '../system/shared-table.ts';
import { EndedIds } from './ended-ids.ts';

/** The memory of SharedMarks. */
export interface MarksMemory {
  readonly taken: SharedArrayBuffer;
  readonly ended: SharedArrayBuffer;
}

/** Enough places for almost every session to find one. */
const PLACES_PER_REQUEST = 2;

/** The marks of a process whose threads all serve the sessions of one data folder, without messages. */
export class SharedMarks implements SessionMarks {
  readonly areShared = true;
  readonly #taken: SharedTable;
  readonly #ended: EndedIds;

  /** @param maxRequests that may be in progress at the same time */
  static allocate(maxRequests: number): MarksMemory {
    return { taken: SharedTable.allocate(PLACES_PER_REQUEST * maxRequests), ended: EndedIds.allocate() };
  }

  /** @param memory from `allocate`, the same in all threads */
  constructor({ taken, ended }: MarksMemory) {
    this.#taken = new SharedTable(taken);
    this.#ended = new EndedIds(ended);
  }

  /** @returns false also if the table has no place for it */
  take(id: UploadId): boolean {
    return this.#taken.updateShared(id, takeOnce) === true;
  }

  release(id: UploadId): void {
    this.#taken.updateShared(id, clear);
  }

  isTaken(id: UploadId): boolean {
    return this.#taken.requests(id) > 0;
  }

  end(id: UploadId): void {
    this.#ended.add(id);
  }

  hasEnded(id: UploadId): boolean {
    return this.#ended.has(id);
  }
}

function takeOnce(record: InProgress): boolean {
  if (record.requests > 0) return false;
  record.requests = 1;
  return true;
}

function clear(record: InProgress): boolean {
  record.requests = 0;
  return true;
}
