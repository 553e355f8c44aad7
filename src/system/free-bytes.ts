/**
 * Frees the memory of bytes that nobody reads any more, at once. The collector does not know how much a request's body has brought
 * into being, and comes when hundreds of MiB have gathered. Bytes that share their memory with others stay.
 */
export function freeBytes(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && bytes.length > 0 && bytes.length === buffer.byteLength) buffer.transfer(0);
}
