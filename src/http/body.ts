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
 * The request's body as an upload. Turns off Bun's idle timeout for the request.
 * @param announced the length according to Content-Range, if the request has one
 * @param pace a client that is slower is treated as gone
 */
export function uploadBody(context: RequestContext, announced: number | undefined, pace: BodyPace): UploadBody {
  const length = contentLength(context.request) ?? announced;
  if (length !== 0) context.keepOpen();
  return new UploadBody(chunksOf(context, pace), length);
}

/**
 * The chunks of the body, as they arrive.
 * @param signal aborts the body, even while a chunk is awaited
 * @throws RegistryError `upload-stalled`, `upload-interrupted`, the reason of `signal`
 */
export async function* chunksOf(
  { request, stats }: RequestContext,
  pace: BodyPace,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  const reader = request.body?.getReader();
  if (reader === undefined) return;
  const abort = (): void => {
    // This ends the pending read. If a body cannot be cancelled, it is broken anyway.
    reader.cancel().catch(() => reader.releaseLock());
  };
  const clock = new ClientClock(pace, abort);
  signal?.addEventListener('abort', abort);
  let isOver = false;
  try {
    for (;;) {
      clock.waiting();
      const { done, value } = await reader.read();
      signal?.throwIfAborted();
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
      'the connection broke: get the status of the upload and resume it',
      undefined,
      error,
    );
  } finally {
    clock.stop();
    signal?.removeEventListener('abort', abort);
    if (!isOver) await reader.cancel();
  }
}

function messageOf(stall: Stall, { idle, minRate }: BodyPace): string {
  const what = stall === 'silent' ? 'no bytes arrived' : `fewer than ${minRate} bytes per second arrived`;
  return `${what} for ${idle / 1000} seconds: send the request again; an upload resumes at the offset that it reports`;
}
