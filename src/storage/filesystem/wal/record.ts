import type { Key } from '../../driver.ts';

/** An object, as the write-ahead log has it. */
export interface ObjectRecord {
  readonly kind: 'object';
  readonly key: Key;
  readonly bytes: Uint8Array;
}

/** A record of the write-ahead log about one object. */
export type WalRecord =
  | ObjectRecord
  /** The object was removed after a record of it had been logged. */
  | { readonly kind: 'removed'; readonly key: Key };

/*
 * A record: length of what follows the checksum (4 bytes, big-endian), checksum of that (8 bytes, xxHash64), kind
 * (1), length of the key (2), key in UTF-8, bytes of the object.
 */
const HEAD_BYTES = 12;
const FIXED_BYTES = 3;
const KINDS = { object: 1, removed: 2 } as const;
const NOTHING = new Uint8Array();

export function encodeRecord(record: WalRecord): Uint8Array {
  const key = Buffer.from(record.key);
  const bytes = record.kind === 'object' ? record.bytes : NOTHING;
  const whole = Buffer.allocUnsafe(HEAD_BYTES + FIXED_BYTES + key.length + bytes.length);
  const body = whole.subarray(HEAD_BYTES);
  body.writeUInt8(KINDS[record.kind], 0);
  body.writeUInt16BE(key.length, 1);
  body.set(key, FIXED_BYTES);
  body.set(bytes, FIXED_BYTES + key.length);
  whole.writeUInt32BE(body.length, 0);
  whole.writeBigUInt64BE(sumOf(body), 4);
  return whole;
}

/**
 * The records of a file up to the first incomplete one. That one and everything after it were not acknowledged.
 * @param file all of its bytes; the records are views of them
 */
export function* decodeRecords(file: Uint8Array): Generator<WalRecord> {
  const all = Buffer.from(file.buffer, file.byteOffset, file.length);
  for (let at = 0; at + HEAD_BYTES + FIXED_BYTES <= all.length; ) {
    const end = at + HEAD_BYTES + all.readUInt32BE(at);
    const body = all.subarray(at + HEAD_BYTES, end);
    if (end > all.length || body.length < FIXED_BYTES || sumOf(body) !== all.readBigUInt64BE(at + 4)) return;
    const keyEnd = FIXED_BYTES + body.readUInt16BE(1);
    const key = body.toString('utf8', FIXED_BYTES, keyEnd);
    if (body.readUInt8(0) === KINDS.object) yield { kind: 'object', key, bytes: body.subarray(keyEnd) };
    else yield { kind: 'removed', key };
    at = end;
  }
}

function sumOf(bytes: Uint8Array): bigint {
  return Bun.hash.xxHash64(bytes);
}
