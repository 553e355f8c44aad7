/* Syncs a whole file system on a separate thread, because that can take long. */
import { FFIType } from 'bun:ffi';
import { loadLibc } from '../../../system/libc.ts';

declare const self: { onmessage: ((event: { data: number }) => void) | null; postMessage(reply: SyncReply): void };

export interface SyncReply {
  readonly ok: boolean;
}

const { syncfs } = loadLibc({ syncfs: { args: [FFIType.i32], returns: FFIType.i32 } });

self.onmessage = ({ data: descriptor }) => self.postMessage({ ok: syncfs(descriptor) === 0 });
