import type { ByteRange } from '../storage/driver.ts';

/** A `multipart/byteranges` body. Everything except the blob's bytes is known before the first byte is sent. */
export interface MultipartLayout {
  /** Includes the boundary. */
  readonly contentType: string;
  /** Length of the whole body in bytes. */
  readonly length: number;
  readonly parts: readonly { readonly head: Uint8Array<ArrayBuffer>; readonly range: ByteRange }[];
  readonly trailer: Uint8Array<ArrayBuffer>;
}

/** A random boundary. The author of a blob cannot have known it, so the blob does not contain it. */
export function newBoundary(): string {
  return crypto.randomUUID();
}

/**
 * Lays out the ranges of a blob as parts, in the given order (RFC 9110, section 14.6).
 * @param size of the blob, in bytes
 * @param boundary only letters, digits, `:` and `-`, because some clients do not parse other characters
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

/** The whole body, for a blob in memory. */
export function multipartBytes({ parts, trailer }: MultipartLayout, blob: Uint8Array): Uint8Array<ArrayBuffer> {
  const pieces = parts.flatMap(({ head, range }) => [head, blob.subarray(range.start, range.end)]);
  return new Uint8Array(Buffer.concat([...pieces, trailer]));
}

/**
 * The body as a stream. At most one range is open at a time, from the first read of its bytes. Cancelling the stream cancels it.
 * @param open the blob's bytes of a range; a chunk need only be valid until the next one is read
 * @param onEnd called once, when nothing more is read from the streams of `open`: at the end, after an error, or when cancelled
 */
export function multipartStream(
  { parts, trailer }: MultipartLayout,
  open: (range: ByteRange) => ReadableStream<Uint8Array>,
  onEnd: () => void = () => {},
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
          onEnd();
        } catch (error) {
          onEnd();
          throw error;
        }
      },
      async cancel(reason) {
        waiting.length = 0;
        try {
          await reader?.cancel(reason);
        } finally {
          onEnd();
        }
      },
    },
    { highWaterMark: 0 },
  );
}

function readerOf(stream: ReadableStream<Uint8Array>) {
  return stream.getReader();
}
