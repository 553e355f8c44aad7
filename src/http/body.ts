import { RegistryError } from '../oci/errors.ts';
import { UploadBody } from '../registry/upload-body.ts';
import { type BodyPace, ClientClock, type Stall } from './client-clock.ts';
import type { RequestContext } from './context.ts';

/** The announced length, undefined for a chunked body. A request without any body has length 0. */
export function contentLength(request: Request): number | undefined {
  const header = request.headers.get('content-length');
  if (header === null) return request.headers.has('transfer-encoding') ? undefined : 0;
  if (!/^\d{1,15}$/.test(header)) throw new RegistryError('size-mismatch', 'Content-Length must be a number of bytes');
  return Number(header);
}

/**
 * The request's body for an upload.
 * @param announced its length as Content-Range says it, where there is one
 * @param pace a client that is slower than this counts as gone
 */
export function uploadBody(context: RequestContext, announced: number | undefined, pace: BodyPace): UploadBody {
  const length = contentLength(context.request) ?? announced;
  if (length !== 0) context.keepOpen();
  return new UploadBody(chunksOf(context, pace), length);
}

async function* chunksOf({ request, seen }: RequestContext, pace: BodyPace): AsyncIterable<Uint8Array> {
  const reader = request.body?.getReader();
  if (reader === undefined) return;
  const clock = new ClientClock(pace, () => {
    // The pending read ends with this; a body that cannot even be cancelled is broken in any case.
    reader.cancel().catch(() => reader.releaseLock());
  });
  let ended = false;
  try {
    for (;;) {
      clock.waiting();
      const { done, value } = await reader.read();
      if (clock.stall !== undefined) throw new RegistryError('upload-stalled', messageOf(clock.stall, pace));
      if (done) {
        ended = true;
        return;
      }
      clock.received(value.length);
      seen.received += value.length;
      yield value;
    }
  } catch (error) {
    if (error instanceof RegistryError) throw error;
    ended = true;
    throw new RegistryError(
      'upload-interrupted',
      'the connection broke off: ask for the progress and go on',
      undefined,
      error,
    );
  } finally {
    clock.stop();
    if (!ended) await reader.cancel();
  }
}

function messageOf(stall: Stall, { idle, minRate }: BodyPace): string {
  const what = stall === 'silent' ? 'no byte came' : `fewer than ${minRate} bytes a second came`;
  return `${what} for ${idle / 1000} seconds: send it again; an upload goes on from the offset that it reports`;
}

/**
 * A whole manifest.
 * @param limits a client that is slower than this counts as gone
 * @param limits.deadline milliseconds for all of it
 * @throws RegistryError `manifest-too-large`, `upload-stalled`, `upload-interrupted`, `size-mismatch`
 */
export async function manifestBody(
  context: RequestContext,
  max: number,
  limits: BodyPace & { readonly deadline: number },
): Promise<Uint8Array<ArrayBuffer>> {
  const { request } = context;
  const length = contentLength(request);
  if (length !== undefined && length > max) throw tooLarge(max);
  context.keepOpen();
  const chunks: Uint8Array[] = [];
  let size = 0;
  const overdue = AbortSignal.timeout(limits.deadline);
  for await (const chunk of chunksOf(context, { ...limits, idle: Math.min(limits.idle, limits.deadline) })) {
    if (overdue.aborted)
      throw new RegistryError('upload-stalled', 'the manifest did not arrive in time: send it again');
    chunks.push(chunk);
    size += chunk.length;
    if (size > max) throw tooLarge(max);
  }
  if (length !== undefined && size !== length) {
    throw new RegistryError('size-mismatch', `the body has ${size} bytes, Content-Length says ${length}`);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

function tooLarge(max: number): RegistryError {
  return new RegistryError('manifest-too-large', `a manifest may have at most ${max} bytes`, { max });
}
