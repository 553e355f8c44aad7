import type { ByteRange } from '../driver.ts';
import type { S3Ports } from './settings.ts';

/** The bytes of an answer, and the way to let go of its connection. */
export interface OpenBody {
  readonly chunks: AsyncIterator<Uint8Array>;
  destroy(): void;
}

/** The store has brought no byte for so long, though we asked for one, that the connection is given up. */
const IDLE_MS = 30_000;
/** Connections that may break one after another without a byte between them. */
const FRUITLESS = 3;

/**
 * The bytes of an object as they are asked for, and no faster. The objects never change, so a connection that breaks is
 * replaced by another one that begins where it ended. Cancelled, it lets go of the connection at once.
 * @param connect opens the object's bytes of a range
 */
export function objectStream(
  range: ByteRange,
  connect: (range: ByteRange) => Promise<OpenBody>,
  { sleep }: Pick<S3Ports, 'sleep'>,
): ReadableStream<Uint8Array> {
  let at = range.start;
  let fruitless = 0;
  let cancelled = false;
  let body: OpenBody | undefined;

  async function nextChunk(): Promise<Uint8Array> {
    body ??= await connect({ start: at, end: range.end });
    const arrived = new AbortController();
    const silence = sleep(IDLE_MS, arrived.signal).then((): never => {
      throw new Error(`the object store sent nothing for ${IDLE_MS} ms`);
    });
    // It loses the race as soon as bytes arrive.
    silence.catch(() => undefined);
    try {
      const next = await Promise.race([body.chunks.next(), silence]);
      if (next.done === true) throw new Error(`the object store ended ${range.end - at} bytes too early`);
      return next.value;
    } finally {
      arrived.abort();
    }
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          try {
            if (at === range.end) return finish(controller);
            const chunk = await nextChunk();
            if (cancelled) return letGo();
            fruitless = 0;
            at += chunk.length;
            controller.enqueue(chunk);
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
    body = undefined;
  }

  function letGo(): void {
    body?.destroy();
    body = undefined;
  }
}
