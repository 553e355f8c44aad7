import { FFIType } from 'bun:ffi';
import { loadLibc } from '../../system/libc.ts';

/** Only Linux has the call. */
const libc =
  process.platform === 'linux'
    ? loadLibc({
        sync_file_range: { args: [FFIType.i32, FFIType.i64, FFIType.i64, FFIType.u32], returns: FFIType.i32 },
      })
    : undefined;

/** From <fcntl.h>: begin to write dirty pages, and do not wait for them. */
const SYNC_FILE_RANGE_WRITE = 2;
/** As a length: up to the end of the file. */
const TO_THE_END = 0;

/**
 * Tells the kernel to begin to write to the disk what a file holds, as it would by itself some seconds later. Waits only while the disk's queue is
 * full. Makes nothing durable, and does not make the disk write its own cache, as a sync does.
 */
export function beginWriteBack(descriptor: number): void {
  // The result does not matter: what the kernel could not write, then or now, the sync of the file reports.
  libc?.sync_file_range(descriptor, 0, TO_THE_END, SYNC_FILE_RANGE_WRITE);
}
