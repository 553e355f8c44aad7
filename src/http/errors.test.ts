import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type ErrorKind, RegistryError, Unanswered } from '../oci/errors.ts';
import { renderError } from './errors.ts';

/** The spec's table of error codes. */
const SPEC_CODES = [
  ...['BLOB_UNKNOWN', 'BLOB_UPLOAD_INVALID', 'BLOB_UPLOAD_UNKNOWN', 'DIGEST_INVALID', 'MANIFEST_BLOB_UNKNOWN'],
  ...['MANIFEST_INVALID', 'MANIFEST_UNKNOWN', 'NAME_INVALID', 'NAME_UNKNOWN', 'SIZE_INVALID', 'UNAUTHORIZED', 'DENIED'],
  ...['UNSUPPORTED', 'TOOMANYREQUESTS'],
];

/** A kind that is missing here does not compile. */
const STATUS: Readonly<Record<ErrorKind, number>> = {
  'name-invalid': 400,
  'name-unknown': 404,
  'tag-invalid': 400,
  'digest-invalid': 400,
  'digest-mismatch': 400,
  'size-mismatch': 400,
  'request-invalid': 400,
  'too-many-tags': 414,
  'precondition-failed': 412,
  'cursor-invalid': 400,
  'cursor-unknown': 400,
  'range-unsatisfiable': 416,
  'range-invalid': 400,
  'blob-unknown': 404,
  'blob-referenced': 405,
  'upload-unknown': 404,
  'upload-out-of-order': 416,
  'upload-busy': 409,
  'upload-interrupted': 400,
  'upload-stalled': 408,
  'manifest-unknown': 404,
  'manifest-invalid': 400,
  'manifest-too-large': 413,
  'manifest-references-unknown': 404,
  'route-unknown': 404,
  'method-not-allowed': 405,
  'delete-disabled': 405,
  'object-unknown': 404,
  'read-only': 405,
  replica: 405,
  elsewhere: 307,
  'writes-paused': 503,
  unauthorized: 401,
  denied: 403,
  'too-many-requests': 429,
  'storage-full': 507,
  'log-broken': 500,
  'content-damaged': 500,
  'client-gone': 499,
  draining: 503,
  overloaded: 503,
  unavailable: 503,
};
const KINDS = Object.keys(STATUS) as ErrorKind[];

async function bodyOf(error: unknown): Promise<unknown> {
  return await renderError(error, false).json();
}

describe('errors', () => {
  test.each(KINDS)('%s has its status, the shape of the spec and, for 4xx, a code of its table', async (kind) => {
    const response = renderError(new RegistryError(kind, 'what to do'), false);
    expect(response.status).toBe(STATUS[kind]);
    expect(response.headers.get('content-type')).toBe('application/json');
    const text = await response.text();
    expect(response.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
    const body: unknown = JSON.parse(text);
    expect(body).toEqual({ errors: [{ code: expect.stringMatching(/^[A-Z_]+$/), message: 'what to do' }] });
    // The spec has no code for conditions and cursors.
    const own: Partial<Record<ErrorKind, string>> = {
      'precondition-failed': 'PRECONDITION_FAILED',
      'cursor-invalid': 'CURSOR_INVALID',
      'cursor-unknown': 'CURSOR_UNKNOWN',
    };
    const codes = kind in own ? [own[kind]] : SPEC_CODES;
    if (response.status < 500) expect(codes.filter((code) => text.includes(`"code":"${code}"`))).toHaveLength(1);
    expect(response.headers.has('retry-after')).toBe([429, 503, 507].includes(response.status));
  });

  test('say "try again" if the storage did not respond, without its details', async () => {
    const response = renderError(new Unanswered('/secret/path'), false);
    expect(response.status).toBe(503);
    expect(response.headers.has('retry-after')).toBe(true);
    expect(await response.text()).toBe(
      '{"errors":[{"code":"UNAVAILABLE","message":"the storage of the registry does not respond: try again"}]}',
    );
  });

  test('carry the facts that a client can act on, but never the cause', async () => {
    const cause = new Error('/secret/path');
    const error = new RegistryError('blob-unknown', 'é', { digest: 'sha256:x', list: ['a'] }, cause);
    expect(error.cause).toBe(cause);
    expect(await bodyOf(error)).toEqual({
      errors: [{ code: 'BLOB_UNKNOWN', message: 'é', detail: { digest: 'sha256:x', list: ['a'] } }],
    });
  });

  test('have no body for HEAD, but the length of it', () => {
    const error = new RegistryError('manifest-unknown', 'no such tag');
    const response = renderError(error, true);
    expect(response.body).toBeNull();
    expect(response.headers.get('content-length')).toBe(renderError(error, false).headers.get('content-length'));
  });

  test('about a method list the allowed ones', () => {
    const error = new RegistryError('method-not-allowed', 'no', { allow: ['GET', 'PUT'] });
    expect(renderError(error, false).headers.get('allow')).toBe('GET, PUT');
    expect(renderError(new RegistryError('method-not-allowed', 'no'), false).headers.get('allow')).toBe('');
    for (const kind of ['blob-referenced', 'delete-disabled', 'read-only'] as const)
      expect(renderError(new RegistryError(kind, 'no'), false).headers.get('allow')).toBe('GET, HEAD');
  });

  test('say when to come back, as far as it is known', () => {
    const retryAfterOf = (error: RegistryError) => renderError(error, false).headers.get('retry-after');
    expect(retryAfterOf(new RegistryError('too-many-requests', 'no', { retryAfter: 16.2 }))).toBe('17');
    expect(retryAfterOf(new RegistryError('too-many-requests', 'no', { retryAfter: 0 }))).toBe('1');
    expect(retryAfterOf(new RegistryError('too-many-requests', 'no'))).toBe('5');
  });

  test('about missing credentials have the challenge', () => {
    const error = new RegistryError('unauthorized', 'no');
    expect(renderError(error, false, 'Bearer realm="x"').headers.get('www-authenticate')).toBe('Bearer realm="x"');
    expect(renderError(error, false).headers.has('www-authenticate')).toBe(false);
  });

  test('about a range give the length of the blob', () => {
    const error = new RegistryError('range-unsatisfiable', 'no', { size: 10 });
    expect(renderError(error, false).headers.get('content-range')).toBe('bytes */10');
  });

  test('that are defects show the client no details', () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.constant(new Error('/secret/path'))), (thrown) => {
        const response = renderError(thrown, false);
        expect(response.status).toBe(500);
      }),
    );
  });

  test('that are defects all have the same text', async () => {
    const texts = await Promise.all(
      [new Error('/secret/path'), 'text', undefined, { kind: 'unavailable' }].map((error) => bodyOf(error)),
    );
    for (const text of texts) expect(text).toEqual(texts[0]);
    expect(JSON.stringify(texts)).not.toContain('secret');
  });
});
