import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { ByteRange } from '../storage/driver.ts';
import { layOutParts, multipartBytes, multipartStream } from './multipart.ts';

const BLOB = new TextEncoder().encode('the bytes of a blob');
const RANGES: readonly ByteRange[] = [
  { start: 15, end: 19 },
  { start: 0, end: 3 },
];
const BODY =
  '--edge\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 15-18/19\r\n\r\nblob' +
  '\r\n--edge\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 0-2/19\r\n\r\nthe' +
  '\r\n--edge--\r\n';

describe('a multipart/byteranges body', () => {
  test('has a part for each range, in their order, and a length known before its first byte', () => {
    const layout = layOutParts(RANGES, BLOB.length, 'edge');
    expect(layout.contentType).toBe('multipart/byteranges; boundary=edge');
    expect(new TextDecoder().decode(multipartBytes(layout, BLOB))).toBe(BODY);
    expect(layout.length).toBe(BODY.length);
  });

  test('has the same bytes as a stream, however its chunks are split', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 30 }), async (step) => {
        const layout = layOutParts(RANGES, BLOB.length, 'edge');
        const body = multipartStream(layout, (range) => chunksOf(range, step));
        expect(await new Response(body).text()).toBe(BODY);
      }),
    );
  });

  test('opens each range only when its first byte is read', async () => {
    const opened: ByteRange[] = [];
    const body = multipartStream(layOutParts(RANGES, BLOB.length, 'edge'), (range) => {
      opened.push(range);
      return chunksOf(range, 100);
    });
    expect(opened).toEqual([]);
    const reader = body.getReader();
    await reader.read();
    expect(opened).toEqual(RANGES.slice(0, 1));
    await reader.read();
    expect(opened).toEqual(RANGES.slice(0, 1));
    while (!(await reader.read()).done);
    expect(opened).toEqual([...RANGES]);
  });

  test('cancelled, cancels the range that is open and opens no other', async () => {
    const events: string[] = [];
    const body = multipartStream(layOutParts(RANGES, BLOB.length, 'edge'), (range) => {
      events.push(`open ${range.start}`);
      return new ReadableStream({ cancel: () => void events.push(`cancel ${range.start}`) }, { highWaterMark: 0 });
    });
    const reader = body.getReader();
    await reader.read();
    await reader.cancel();
    expect(events).toEqual(['open 15', 'cancel 15']);
  });

  test('fails where reading the blob fails', async () => {
    const body = multipartStream(
      layOutParts(RANGES, BLOB.length, 'edge'),
      () =>
        new ReadableStream({
          pull() {
            throw new Error('the store is gone');
          },
        }),
    );
    await expect(new Response(body).text()).rejects.toThrow('the store is gone');
  });
});

function chunksOf({ start, end }: ByteRange, step: number): ReadableStream<Uint8Array> {
  let at = start;
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(BLOB.slice(at, Math.min(at + step, end)));
      at += step;
      if (at >= end) controller.close();
    },
  });
}
