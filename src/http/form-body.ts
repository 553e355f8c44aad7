import { RegistryError } from '../oci/errors.ts';
import { chunksOf, contentLength } from './body.ts';
import type { BodyPace } from './client-clock.ts';
import type { RequestContext } from './context.ts';

const FORM_WITHIN_MS = 30_000;
const FORM_TYPE = /^application\/x-www-form-urlencoded(?:\s*;.*)?$/i;

/** A form with many tags, each with its digest. */
const MAX_PAGE_FORM_BYTES = 128 * 1024;

/**
 * The body of a form.
 * @param max bytes
 * @throws RegistryError `request-invalid` if it is longer, `upload-stalled`; errors of reading a body
 */
export async function readFormBody(context: RequestContext, pace: BodyPace, max: number): Promise<Uint8Array> {
  if ((contentLength(context.request) ?? 0) > max) throw tooLarge(max);
  context.keepOpen();
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(tooSlow()), FORM_WITHIN_MS);
  try {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of chunksOf(context, pace, ended.signal)) {
      size += chunk.length;
      if (size > max) throw tooLarge(max);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a Content-Type is that of a form. */
export function isFormType(contentType: string): boolean {
  return FORM_TYPE.test(contentType);
}

/** @returns undefined if the bytes are not UTF-8 */
export function decodeForm(body: Uint8Array): URLSearchParams | undefined {
  try {
    return new URLSearchParams(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

/**
 * The fields of a form of the page.
 * @throws RegistryError `request-invalid` if it is no form, or too long; errors of reading a body
 */
export async function readForm(context: RequestContext, pace: BodyPace): Promise<URLSearchParams> {
  if (!isFormType(context.request.headers.get('content-type') ?? ''))
    throw new RegistryError('request-invalid', 'the Content-Type must be application/x-www-form-urlencoded');
  const fields = decodeForm(await readFormBody(context, pace, MAX_PAGE_FORM_BYTES));
  if (fields === undefined) throw new RegistryError('request-invalid', 'the form is not UTF-8');
  return fields;
}

function tooLarge(max: number): RegistryError {
  return new RegistryError('request-invalid', `the body may have at most ${max} bytes`);
}

function tooSlow(): RegistryError {
  return new RegistryError(
    'upload-stalled',
    `the body did not arrive within ${FORM_WITHIN_MS / 1000} seconds: send it again`,
  );
}
