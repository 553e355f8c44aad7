import { RegistryError } from '../oci/errors.ts';
import { UploadBody } from '../registry/upload-body.ts';
import { type BodyPace, ClientClock, type Stall } from './client-clock.ts';
import type { RequestContext } from './context.ts';

/** Content-Length; undefined for a chunked body, 0 for a request without a body. */
export function contentLength(request: Request): number | undefined {
  const header = request.headers.get('content-length');
  if (header === null) return request.headers.has('transfer-encoding') ? undefined : 0;
  if (!/^\d{1,15}$/.test(header)) throw new RegistryError('size-mismatch', 'Content-Length must be a number of bytes');
  return Number(header);
}

/**
 * The request's body as an upload. Turns Bun's own timeout off.
 * @param announced its length by Content-Range, if there is one
 * @param pace a slower client is treated as gone
 */
export function uploadBody(context: RequestContext, announced: number | undefined, pace: BodyPace): UploadBody {
  const length = contentLength(context.request) ?? announced;
  if (length !== 0) context.keepOpen();
  return new UploadBody(chunksOf(context, pace), length);
}

/**
 * The chunks of the body, as they arrive.
 * @param ended aborts the body, also while a chunk is awaited
 * @throws RegistryError `upload-stalled`, `upload-interrupted`, the reason of `ended`
 */
export async function* chunksOf(
  { request, stats }: RequestContext,
  pace: BodyPace,
  ended?: AbortSignal,
): AsyncIterable<Uint8Array> {
  const reader = request.body?.getReader();
  if (reader === undefined) return;
  const giveUp = (): void => {
    // This ends the pending read. A body that cannot be cancelled is broken anyway.
    reader.cancel().catch(() => reader.releaseLock());
  };
  const clock = new ClientClock(pace, giveUp);
  ended?.addEventListener('abort', giveUp);
  let isOver = false;
  try {
    for (;;) {
      clock.waiting();
      const { done, value } = await reader.read();
      ended?.throwIfAborted();
      if (clock.stall !== undefined) throw new RegistryError('upload-stalled', messageOf(clock.stall, pace));
      if (done) {
        isOver = true;
        return;
      }
      clock.received(value.length);
      stats.received += value.length;
      yield value;
    }
  } catch (error) {
    if (error instanceof RegistryError) throw error;
    isOver = true;
    throw new RegistryError(
      'upload-interrupted',
      'the connection broke off: ask for the progress and go on',
      undefined,
      error,
    );
  } finally {
    clock.stop();
    ended?.removeEventListener('abort', giveUp);
    if (!isOver) await reader.cancel();
  }
}

function messageOf(stall: Stall, { idle, minRate }: BodyPace): string {
  const what = stall === 'silent' ? 'no byte came' : `fewer than ${minRate} bytes a second came`;
  return `${what} for ${idle / 1000} seconds: send it again; an upload goes on from the offset that it reports`;
}
