/**
 * Frees the memory of bytes that are no longer read, at once. The garbage collector does not know how much memory
 * request bodies take, and would run only after hundreds of MiB. Bytes that share their buffer with others are kept.
 */
export function freeBytes(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && bytes.length > 0 && bytes.length === buffer.byteLength) buffer.transfer(0);
}
