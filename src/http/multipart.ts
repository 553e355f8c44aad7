import type { ByteRange } from '../storage/driver.ts';

/** A `multipart/byteranges` body, of which all but the blob's own bytes is known before the first byte goes out. */
export interface MultipartLayout {
  /** With the boundary. */
  readonly contentType: string;
  /** Bytes of the whole body. */
  readonly length: number;
  readonly parts: readonly { readonly head: Uint8Array<ArrayBuffer>; readonly range: ByteRange }[];
  readonly trailer: Uint8Array<ArrayBuffer>;
}

/** A boundary that the blob does not contain: nobody who made the blob could know it. */
export function newBoundary(): string {
  return crypto.randomUUID();
}

/**
 * Lays out the ranges of a blob as parts, in their order (RFC 9110, section 14.6).
 * @param size bytes of the blob
 * @param boundary letters, digits, `:` and `-` only: clients are known to parse no others
 */
export function layOutParts(ranges: readonly ByteRange[], size: number, boundary: string): MultipartLayout {
  const encoder = new TextEncoder();
  const parts = ranges.map((range, index) => ({
    range,
    head: encoder.encode(
      `${index === 0 ? '' : '\r\n'}--${boundary}\r\n` +
        'Content-Type: application/octet-stream\r\n' +
        `Content-Range: bytes ${range.start}-${range.end - 1}/${size}\r\n\r\n`,
    ),
  }));
  const trailer = encoder.encode(`\r\n--${boundary}--\r\n`);
  const length = parts.reduce((sum, { head, range }) => sum + head.length + range.end - range.start, trailer.length);
  return { contentType: `multipart/byteranges; boundary=${boundary}`, length, parts, trailer };
}

/** The body at once, of a blob that is in memory. */
export function multipartBytes({ parts, trailer }: MultipartLayout, blob: Uint8Array): Uint8Array<ArrayBuffer> {
  const pieces = parts.flatMap(({ head, range }) => [head, blob.subarray(range.start, range.end)]);
  return new Uint8Array(Buffer.concat([...pieces, trailer]));
}

/**
 * The body as a stream. One range is open at a time, and none before its first byte is wanted. Cancelled, it cancels the open one.
 * @param open the blob's bytes of a range; each of its chunks may be gone when the next one is asked for
 * @param ended called once, when no more is read from what `open` gave, however the body ended
 */
export function multipartStream(
  { parts, trailer }: MultipartLayout,
  open: (range: ByteRange) => ReadableStream<Uint8Array>,
  ended: () => void = () => {},
): ReadableStream<Uint8Array> {
  const waiting = [...parts];
  let reader: ReturnType<typeof readerOf> | undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          if (reader !== undefined) {
            const { done, value } = await reader.read();
            if (!done) {
              controller.enqueue(value);
              return;
            }
            reader = undefined;
          }
          const part = waiting.shift();
          controller.enqueue(part?.head ?? trailer);
          if (part !== undefined) {
            reader = readerOf(open(part.range));
            return;
          }
          controller.close();
          ended();
        } catch (error) {
          ended();
          throw error;
        }
      },
      async cancel(reason) {
        waiting.length = 0;
        try {
          await reader?.cancel(reason);
        } finally {
          ended();
        }
      },
    },
    { highWaterMark: 0 },
  );
}

function readerOf(stream: ReadableStream<Uint8Array>) {
  return stream.getReader();
}
