import type { BodyPace } from './client-clock.ts';
import type { RequestContext } from './context.ts';
import { decodeForm, isFormType, readFormBody } from './form-body.ts';

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

/** @throws RegistryError `request-invalid` if the body is longer than MAX_FORM_BYTES; errors of reading a body */
export async function readTokenForm(context: RequestContext, pace: BodyPace): Promise<TokenForm> {
  const body = await readFormBody(context, pace, MAX_FORM_BYTES);
  return parseTokenForm(context.request.headers.get('content-type') ?? '', body);
}

/** Pure; never throws. Messages show no part of the body. */
export function parseTokenForm(contentType: string, body: Uint8Array): TokenForm {
  if (!isFormType(contentType)) return invalid('the Content-Type must be application/x-www-form-urlencoded');
  const fields = decodeForm(body);
  if (fields === undefined) return invalid('the body is not UTF-8');
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

function invalid(description: string): TokenForm {
  return { kind: 'refused', error: 'invalid_request', description };
}
