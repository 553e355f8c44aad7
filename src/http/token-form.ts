import { RegistryError } from '../oci/errors.ts';
import { chunksOf, contentLength } from './body.ts';
import type { BodyPace } from './client-clock.ts';
import type { RequestContext } from './context.ts';

/** The body of POST /token. */
export type TokenForm =
  | ({ readonly kind: 'password'; readonly user: string; readonly password: string } & TokenParameters)
  | ({ readonly kind: 'refresh-token'; readonly refreshToken: string } & TokenParameters)
  | {
      readonly kind: 'refused';
      readonly error: 'invalid_request' | 'unsupported_grant_type';
      readonly description: string;
    };

interface TokenParameters {
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  readonly offline: boolean;
  /** The client's name for itself. It is not verified and only for the log. */
  readonly clientId: string | undefined;
}

/** A password can be a token of a CI service, which has thousands of characters. */
const MAX_FORM_BYTES = 32 * 1024;
const FORM_WITHIN_MS = 30_000;
const FORM_TYPE = /^application\/x-www-form-urlencoded(?:\s*;.*)?$/i;

/** @throws RegistryError `request-invalid` if the body is longer than MAX_FORM_BYTES; errors of reading a body */
export async function readTokenForm(context: RequestContext, pace: BodyPace): Promise<TokenForm> {
  const { headers } = context.request;
  if ((contentLength(context.request) ?? 0) > MAX_FORM_BYTES) throw tooLarge();
  context.keepOpen();
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(tooSlow()), FORM_WITHIN_MS);
  try {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of chunksOf(context, pace, ended.signal)) {
      size += chunk.length;
      if (size > MAX_FORM_BYTES) throw tooLarge();
      chunks.push(chunk);
    }
    return parseTokenForm(headers.get('content-type') ?? '', Buffer.concat(chunks));
  } finally {
    clearTimeout(timer);
  }
}

/** Pure; never throws. Messages show no part of the body. */
export function parseTokenForm(contentType: string, body: Uint8Array): TokenForm {
  if (!FORM_TYPE.test(contentType)) return invalid('the Content-Type must be application/x-www-form-urlencoded');
  const text = decode(body);
  if (text === undefined) return invalid('the body is not UTF-8');
  const fields = new URLSearchParams(text);
  const names = [...fields.keys()];
  // "Request and response parameters MUST NOT be included more than once" (RFC 6749, section 3.2).
  if (new Set(names).size < names.length) return invalid('a parameter is repeated');
  // "Parameters sent without a value MUST be treated as if they were omitted from the request" (the same section).
  const field = (name: string): string | undefined => fields.get(name) || undefined;
  const parameters: TokenParameters = {
    service: field('service'),
    scopes: [field('scope') ?? ''],
    offline: field('access_type') === 'offline',
    clientId: field('client_id'),
  };
  switch (field('grant_type')) {
    case 'password': {
      const [user, password] = [field('username'), field('password')];
      if (user === undefined || password === undefined) return invalid('username and password are missing');
      return { kind: 'password', user, password, ...parameters };
    }
    case 'refresh_token': {
      const refreshToken = field('refresh_token');
      if (refreshToken === undefined) return invalid('refresh_token is missing');
      return { kind: 'refresh-token', refreshToken, ...parameters };
    }
    case undefined:
      return invalid('grant_type is missing');
    default:
      return {
        kind: 'refused',
        error: 'unsupported_grant_type',
        description: 'grant_type must be password or refresh_token',
      };
  }
}

function decode(body: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    return undefined;
  }
}

function invalid(description: string): TokenForm {
  return { kind: 'refused', error: 'invalid_request', description };
}

function tooLarge(): RegistryError {
  return new RegistryError('request-invalid', `the form may have at most ${MAX_FORM_BYTES} bytes`);
}

function tooSlow(): RegistryError {
  return new RegistryError(
    'upload-stalled',
    `the form did not arrive within ${FORM_WITHIN_MS / 1000} seconds: send it again`,
  );
}
