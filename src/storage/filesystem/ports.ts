import type { ReachStep } from '../crash-points.ts';
import type { Key } from '../driver.ts';
import type { DiskSync, Fatal } from './disk-sync.ts';
import type { ObjectRecord } from './wal/record.ts';
import type { WriteAheadLog } from './wal/wal.ts';

/** What makes files and folders durable. */
export type Syncs = Pick<DiskSync, 'file' | 'folder' | 'ensureFolder'>;

/** The part of the write-ahead log that objects with fresh names need. */
export interface ObjectLog {
  /** @throws as WriteAheadLog.append */
  append(object: ObjectRecord): Promise<void>;
  /** Whether the object, if it has its name, survives a power cut without a sync. */
  holds(key: Key): boolean;
}

/** Shared by the parts of the driver. */
export interface FilesPorts {
  /** Absolute path of the data folder. */
  readonly root: string;
  readonly pathOf: (key: Key) => string;
  readonly diskSync: DiskSync;
  readonly wal: WriteAheadLog | undefined;
  /** Throws `storage-full` while clients may not write. */
  readonly admit: () => void;
  /** Returns a unique name for a temporary file. */
  readonly uniqueName: () => string;
  readonly reach: ReachStep;
  readonly fatal: Fatal;
}
