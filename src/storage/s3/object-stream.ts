import type { ByteRange } from '../driver.ts';
import { freeBytes } from '../free-bytes.ts';
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

/** The store has brought no byte for so long, or at most twice that, though we asked for one: the connection is given up. */
const IDLE_MS = 30_000;
/** Connections that may break one after another without a byte between them. */
const FRUITLESS = 3;

/**
 * The bytes of an object as they are asked for, and no faster. The objects never change, so a connection that breaks is
 * replaced by another one that begins where it ended. Cancelled, it lets go of the connection at once.
 * @param connect opens the object's bytes of a range
 * @param lent a chunk's memory is freed when the next one is asked for
 */
export function objectStream(
  range: ByteRange,
  connect: (range: ByteRange) => Promise<OpenBody>,
  { sleep }: Pick<S3Ports, 'sleep'>,
  lent = false,
): ReadableStream<Uint8Array> {
  let at = range.start;
  let fruitless = 0;
  let cancelled = false;
  let body: Watched | undefined;
  let last: Uint8Array | undefined;
  /** Whether a chunk is asked for now, and how many have come. */
  let asking = false;
  let arrived = 0;

  async function nextChunk(): Promise<Uint8Array> {
    const from = body ?? watched(await connect({ start: at, end: range.end }));
    body = from;
    asking = true;
    try {
      const next = await from.chunks.next();
      if (next.done === true)
        throw new Error(`the object store ended ${range.end - at} bytes too early, or fell silent`);
      if (next.value.length > range.end - at) throw new Error('the object store sent more bytes than it was asked for');
      arrived++;
      return next.value;
    } finally {
      asking = false;
    }
  }

  /** Lets go of a connection that brings nothing though it is asked to. One watch each: a timer for each chunk is dear. */
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
        for (;;) {
          try {
            if (at === range.end) return finish(controller);
            const chunk = await nextChunk();
            if (cancelled) return letGo();
            fruitless = 0;
            at += chunk.length;
            controller.enqueue(chunk);
            last = lent ? chunk : undefined;
            if (at === range.end) finish(controller);
            return;
          } catch (error) {
            letGo();
            if (cancelled) return;
            if (++fruitless === FRUITLESS) throw error;
          }
        }
      },
      cancel() {
        cancelled = true;
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
