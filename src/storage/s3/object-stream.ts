import { freeBytes } from '../../system/free-bytes.ts';
import type { ByteRange } from '../driver.ts';
import type { S3Ports } from './settings.ts';

/** The bytes of a response, and how to drop its connection. */
export interface OpenBody {
  readonly chunks: AsyncIterator<Uint8Array>;
  destroy(): void;
}

interface Watched extends OpenBody {
  /** All bytes have arrived: stops the idle watch. */
  readonly end: () => void;
}

/** A connection that delivers no byte for this long (at most twice) while one is awaited is dropped. */
const IDLE_MS = 30_000;
/** The stream fails after this many connections in a row that delivered nothing. */
const MAX_FRUITLESS = 3;

/**
 * The bytes of an object, read no faster than the stream's consumer. Objects never change, so a broken connection is
 * replaced by one that continues at the next byte. Cancelling the stream drops its connection at once, even one that
 * is still being opened.
 * @param connect opens the object's bytes of a range; its signal is aborted when the stream is cancelled
 * @param lent a chunk's memory is freed when the next one is pulled
 */
export function objectStream(
  range: ByteRange,
  connect: (range: ByteRange, signal: AbortSignal) => Promise<OpenBody>,
  { sleep }: Pick<S3Ports, 'sleep'>,
  lent = false,
): ReadableStream<Uint8Array> {
  const gone = new AbortController();
  let at = range.start;
  let fruitless = 0;
  let body: Watched | undefined;
  let last: Uint8Array | undefined;
  /** Whether a chunk is awaited now, and how many have arrived. */
  let awaiting = false;
  let arrived = 0;

  async function openRest(): Promise<Watched> {
    const open = await connect({ start: at, end: range.end }, gone.signal);
    if (!gone.signal.aborted) return watched(open);
    open.destroy();
    throw gone.signal.reason;
  }

  async function nextChunk(): Promise<Uint8Array> {
    body ??= await openRest();
    awaiting = true;
    try {
      const next = await body.chunks.next();
      if (next.done === true)
        throw new Error(`the object store ended ${range.end - at} bytes too early, or fell silent`);
      if (next.value.length > range.end - at) throw new Error('the object store sent more bytes than requested');
      arrived++;
      return next.value;
    } finally {
      awaiting = false;
    }
  }

  /** Drops a connection that delivers nothing while a chunk is awaited. It uses one timer per connection, because one per chunk costs too much. */
  function watched(open: OpenBody): Watched {
    const over = new AbortController();
    const watch = async (): Promise<void> => {
      for (let before = -1; ; before = awaiting ? arrived : -1) {
        await sleep(IDLE_MS, over.signal);
        if (over.signal.aborted) return;
        if (awaiting && arrived === before) return open.destroy();
      }
    };
    void watch();
    const end = (): void => over.abort();
    const destroy = (): void => {
      end();
      open.destroy();
    };
    return { chunks: open.chunks, destroy, end };
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (last !== undefined) freeBytes(last);
        last = undefined;
        for (;;) {
          try {
            if (at === range.end) return finish(controller);
            const chunk = await nextChunk();
            if (gone.signal.aborted) return drop();
            fruitless = 0;
            at += chunk.length;
            controller.enqueue(chunk);
            last = lent ? chunk : undefined;
            if (at === range.end) finish(controller);
            return;
          } catch (error) {
            drop();
            if (gone.signal.aborted) return;
            if (++fruitless === MAX_FRUITLESS) throw error;
          }
        }
      },
      cancel(reason) {
        gone.abort(reason);
        drop();
      },
    },
    { highWaterMark: 0 },
  );

  function finish(controller: ReadableStreamDefaultController<Uint8Array>): void {
    controller.close();
    // Reading to the end returns the connection to its pool. All bytes have arrived, so a failure costs only the connection.
    void body?.chunks.next().catch(() => undefined);
    body?.end();
    body = undefined;
  }

  function drop(): void {
    body?.destroy();
    body = undefined;
  }
}
