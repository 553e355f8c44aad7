import { BackupRefused } from './errors.ts';

/*
 * A frame is a run of consecutive slots of one log, compressed: before zstd, each slot as its length (four bytes, big-endian) and its
 * bytes. A pack is an object of many frames of any logs.
 */

const LENGTH_BYTES = 4;

export function encodeFrame(slots: readonly Uint8Array[]): Uint8Array {
  const frame = Buffer.allocUnsafe(slots.reduce((sum, slot) => sum + LENGTH_BYTES + slot.length, 0));
  let at = 0;
  for (const slot of slots) {
    at = frame.writeUInt32BE(slot.length, at);
    frame.set(slot, at);
    at += slot.length;
  }
  return Bun.zstdCompressSync(frame);
}

/** @throws BackupRefused if these bytes are no frame */
export function decodeFrame(bytes: Uint8Array): Uint8Array[] {
  const frame = unpacked(bytes);
  const slots: Uint8Array[] = [];
  for (let at = 0; at < frame.length; ) {
    if (at + LENGTH_BYTES > frame.length) throw noFrame();
    const from = at + LENGTH_BYTES;
    at = from + frame.readUInt32BE(at);
    if (at > frame.length) throw noFrame();
    slots.push(frame.subarray(from, at));
  }
  return slots;
}

function unpacked(bytes: Uint8Array): Buffer {
  try {
    return Buffer.from(Bun.zstdDecompressSync(bytes));
  } catch (cause) {
    throw noFrame(cause);
  }
}

function noFrame(cause?: unknown): BackupRefused {
  return new BackupRefused('a part of a pack cannot be decoded: the backup is damaged', { cause });
}
