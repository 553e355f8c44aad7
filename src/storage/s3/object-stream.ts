import { freeBytes } from '../../system/free-bytes.ts';
import type { ByteRange } from '../driver.ts';
import type { S3Ports } from './settings.ts';

/** The bytes of an answer, and the way to let go of its connection. */
export interface OpenBody {
  readonly chunks: AsyncIterator<Uint8Array>;
  destroy(): void;
}

interface Watched extends OpenBody {
  /** Its bytes have all come: nobody needs to watch it any more. */
  readonly end: () => void;
}

/** A connection that brings no byte for so long (at most twice that) although one is asked for is given up. */
const IDLE_MS = 30_000;
/** Connections that may break one after another without a byte between them. */
const MAX_FRUITLESS = 3;

/**
 * The bytes of an object as they are asked for, and no faster. Objects never change, so a connection that breaks is
 * replaced by another one that begins where it ended. Cancelled, the stream lets go of its connection at once, also of one
 * that is still being opened.
 * @param connect opens the object's bytes of a range; its signal is aborted when the stream is cancelled
 * @param lent a chunk's memory is freed when the next one is asked for
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
  /** Whether a chunk is asked for now, and how many have come. */
  let asking = false;
  let arrived = 0;

  async function openRest(): Promise<Watched> {
    const open = await connect({ start: at, end: range.end }, gone.signal);
    if (!gone.signal.aborted) return watched(open);
    open.destroy();
    throw gone.signal.reason;
  }

  async function nextChunk(): Promise<Uint8Array> {
    body ??= await openRest();
    asking = true;
    try {
      const next = await body.chunks.next();
      if (next.done === true)
        throw new Error(`the object store ended ${range.end - at} bytes too early, or fell silent`);
      if (next.value.length > range.end - at) throw new Error('the object store sent more bytes than it was asked for');
      arrived++;
      return next.value;
    } finally {
      asking = false;
    }
  }

  /** Lets go of a connection that brings nothing though it is asked to. One timer for the connection: one for each chunk costs too much. */
  function watched(open: OpenBody): Watched {
    const over = new AbortController();
    const watch = async (): Promise<void> => {
      for (let before = -1; ; before = asking ? arrived : -1) {
        await sleep(IDLE_MS, over.signal);
        if (over.signal.aborted) return;
        if (asking && arrived === before) return open.destroy();
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
            if (gone.signal.aborted) return letGo();
            fruitless = 0;
            at += chunk.length;
            controller.enqueue(chunk);
            last = lent ? chunk : undefined;
            if (at === range.end) finish(controller);
            return;
          } catch (error) {
            letGo();
            if (gone.signal.aborted) return;
            if (++fruitless === MAX_FRUITLESS) throw error;
          }
        }
      },
      cancel(reason) {
        gone.abort(reason);
        letGo();
      },
    },
    { highWaterMark: 0 },
  );

  function finish(controller: ReadableStreamDefaultController<Uint8Array>): void {
    controller.close();
    // Its last chunk was read, so the connection goes back to the others.
    void body?.chunks.next().catch(() => undefined);
    body?.end();
    body = undefined;
  }

  function letGo(): void {
    body?.destroy();
    body = undefined;
  }
}
