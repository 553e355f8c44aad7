import { RegistryError } from '../oci/errors.ts';
import { freeBytes } from '../system/free-bytes.ts';
import { chunksOf, contentLength } from './body.ts';
import type { BodyPace } from './client-clock.ts';
import type { RequestContext } from './context.ts';
import type { ManifestHold, ManifestLimits } from './manifest-budget.ts';

/**
 * Reads a whole manifest and passes it to `use`. Its memory stays reserved in the budget until `use` is done.
 * @param max bytes
 * @throws RegistryError `manifest-too-large`, `upload-stalled`, `upload-interrupted`, `size-mismatch`, `too-many-requests`; errors of
 * `use`
 */
export async function withManifestBody<T>(
  context: RequestContext,
  max: number,
  limits: ManifestLimits,
  use: (bytes: Uint8Array<ArrayBuffer>) => Promise<T>,
): Promise<T> {
  const length = contentLength(context.request);
  if (length !== undefined && length > max) throw tooLarge(max);
  context.keepOpen();
  const aborter = new AbortController();
  const hold = limits.budget.open((error) => aborter.abort(error));
  const timer = setTimeout(() => aborter.abort(overdue()), limits.deadline);
  try {
    const bytes = await readWhole(context, max, limits.pace, hold, aborter.signal);
    clearTimeout(timer);
    hold.complete();
    if (length !== undefined && bytes.length !== length) {
      throw new RegistryError('size-mismatch', `the body has ${bytes.length} bytes, Content-Length says ${length}`);
    }
    return await use(bytes);
  } finally {
    clearTimeout(timer);
    hold.release();
  }
}

async function readWhole(
  context: RequestContext,
  max: number,
  pace: BodyPace,
  hold: ManifestHold,
  signal: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of chunksOf(context, pace, signal)) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > max) throw tooLarge(max);
      await hold.add(chunk.length);
      signal.throwIfAborted();
    }
    const whole = new Uint8Array(size);
    let at = 0;
    for (const chunk of chunks) {
      whole.set(chunk, at);
      at += chunk.length;
    }
    return whole;
  } finally {
    for (const chunk of chunks) freeBytes(chunk);
  }
}

function overdue(): RegistryError {
  return new RegistryError('upload-stalled', 'the manifest did not arrive in time: send it again');
}

function tooLarge(max: number): RegistryError {
  return new RegistryError('manifest-too-large', `a manifest may have at most ${max} bytes`, { max });
}
