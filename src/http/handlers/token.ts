import { labelOf, printable } from '../../access/identity.ts';
import type { BoundIdentity } from '../../access/tokens/claims.ts';
import type { IssuedToken } from '../../access/tokens/token-issuer.ts';
import { RegistryError } from '../../oci/errors.ts';
import { renderChallenge, Unauthorized } from '../challenge.ts';
import type { HandlerPorts, RequestContext, TokenGrant, TokenPorts } from '../context.ts';
import { respond } from '../response.ts';
import type { Route } from '../route.ts';
import { readTokenForm, type TokenForm } from '../token-form.ts';

/** GET /token of distribution. The gate has authenticated the caller by Basic, a certificate or an OIDC token, or as anonymous. */
export async function getToken(
  { service, scopes, offline, clientId }: Extract<Route, { kind: 'token-get' }>,
  context: RequestContext,
  { tokens }: HandlerPorts,
): Promise<Response> {
  const ports = requireTokens(tokens);
  const bound = ports.issuer.bind(context.authority);
  if (bound === undefined) throw new Unauthorized('a token cannot be exchanged for another one: log in', NO_SCOPE);
  const request = { service: serviceFor(service, context, ports), scopes, offline };
  const issued = await ports.issuer.issue(bound, request, context.signal);
  logIssued(bound.identity.kind === 'anonymous' ? 'none' : 'credentials', bound, clientId, context, ports);
  return answer(200, fieldsOf(issued, issued.refreshToken), context);
}

/** POST /token, the token endpoint of OAuth 2.0: its errors are those of RFC 6749. */
export async function postToken(
  _: Extract<Route, { kind: 'token-post' }>,
  context: RequestContext,
  { tokens, limits }: HandlerPorts,
): Promise<Response> {
  const ports = requireTokens(tokens);
  try {
    const form = await readTokenForm(context, limits.body);
    switch (form.kind) {
      case 'refused':
        return refuse(400, form.error, form.description, context);
      case 'password':
        return await answerPassword(form, context, ports);
      case 'refresh-token':
        return await answerRefreshToken(form, context, ports);
    }
  } catch (error) {
    if (!(error instanceof RegistryError) || error.kind !== 'request-invalid') throw error;
    return refuse(400, 'invalid_request', error.message, context);
  }
}

async function answerPassword(
  { user, password, service, scopes, offline, clientId }: Extract<TokenForm, { kind: 'password' }>,
  context: RequestContext,
  ports: TokenPorts,
): Promise<Response> {
  const request = { service: serviceFor(service, context, ports), scopes, offline };
  const found = await ports.basic(user, password, { address: context.client });
  switch (found.kind) {
    case 'known': {
      const bound = ports.issuer.bind(found.authority);
      if (bound === undefined)
        return refuseGrant('password', { reason: 'a token was sent as the password' }, clientId, context, ports);
      const issued = await ports.issuer.issue(bound, request, context.signal);
      logIssued('password', bound, clientId, context, ports);
      return answer(200, { ...fieldsOf(issued, issued.refreshToken), scope: issued.scope }, context);
    }
    case 'refused':
      return refuseGrant('password', found, clientId, context, ports);
    case 'later':
      return refuse(
        429,
        'temporarily_unavailable',
        'too many logins failed, or too many are in progress: try again later',
        context,
        {
          'Retry-After': String(Math.max(1, Math.ceil(found.retryAfterSeconds))),
        },
      );
  }
}

async function answerRefreshToken(
  { refreshToken, service, scopes, offline, clientId }: Extract<TokenForm, { kind: 'refresh-token' }>,
  context: RequestContext,
  ports: TokenPorts,
): Promise<Response> {
  const request = { service: serviceFor(service, context, ports), scopes, offline: false };
  const bound = await ports.issuer.redeem(refreshToken);
  if (bound === undefined) {
    const reason = 'the refresh token is from another registry, or no longer valid';
    return refuseGrant('refresh_token', { reason }, clientId, context, ports);
  }
  const issued = await ports.issuer.issue(bound, request, context.signal);
  logIssued('refresh_token', bound, clientId, context, ports);
  // The same refresh token: if each use issued a new one, they would never expire.
  return answer(200, { ...fieldsOf(issued, offline ? refreshToken : undefined), scope: issued.scope }, context);
}

function requireTokens(tokens: TokenPorts | undefined): TokenPorts {
  if (tokens !== undefined) return tokens;
  throw new RegistryError('route-unknown', 'this registry issues no tokens');
}

/** The audience of the token. Clients repeat the service of the challenge; without it, it is the registry's name in Host. */
function serviceFor(requested: string | undefined, context: RequestContext, { isService }: TokenPorts): string {
  if (requested === undefined) return context.tokenService()?.service ?? '';
  if (isService(requested)) return requested;
  throw new RegistryError('request-invalid', 'the service must be the one that the challenge of this registry names');
}

/** `token` and `access_token`: "both may also appear (for compatibility with older clients)". */
function fieldsOf({ token, expiresIn, issuedAt }: IssuedToken, refreshToken: string | undefined) {
  return {
    token,
    access_token: token,
    token_type: 'Bearer',
    expires_in: expiresIn,
    issued_at: new Date(issuedAt * 1000).toISOString(),
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
  };
}

const WRONG_GRANT: Readonly<Record<'password' | 'refresh_token', string>> = {
  password: 'the user name or the password is wrong',
  refresh_token: 'the refresh token is not valid: log in again',
};

/** The client does not see the reason, which is for the log. */
function refuseGrant(
  grant: 'password' | 'refresh_token',
  { reason, account }: { readonly reason: string; readonly account?: string },
  clientId: string | undefined,
  context: RequestContext,
  { onRefused }: TokenPorts,
): Response {
  onRefused({ grant, account, reason, ...senderOf(context, clientId) });
  return refuse(401, 'invalid_grant', WRONG_GRANT[grant], context);
}

function logIssued(
  grant: TokenGrant,
  { identity }: BoundIdentity,
  clientId: string | undefined,
  context: RequestContext,
  { onIssued }: TokenPorts,
): void {
  onIssued({ grant, actor: labelOf(identity), ...senderOf(context, clientId) });
}

const MAX_CLIENT_ID = 100;

function senderOf({ id, client }: RequestContext, clientId: string | undefined) {
  // A terminal may interpret control characters.
  return {
    requestId: id,
    client,
    clientId: clientId === undefined ? undefined : printable(clientId.slice(0, MAX_CLIENT_ID)),
  };
}

const NO_SCOPE = { scope: undefined, error: undefined };

/**
 * "The parameters are included in the entity-body of the HTTP response using the application/json media type" (RFC 6749, section
 * 5.2).
 */
function refuse(
  status: 400 | 401 | 429,
  error: string,
  description: string,
  context: RequestContext,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const service = status === 401 ? context.tokenService() : undefined;
  const challenge = service === undefined ? {} : { 'WWW-Authenticate': renderChallenge(NO_SCOPE, service) };
  return answer(status, { error, error_description: description }, context, { ...challenge, ...headers });
}

/** Responses must not be cached. */
function answer(
  status: number,
  fields: Readonly<Record<string, unknown>>,
  { stats }: RequestContext,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const body = new TextEncoder().encode(JSON.stringify(fields));
  stats.sent = body.length;
  return respond(body, {
    status,
    headers: {
      'Content-Type': 'application/json',
      'Content-Length': String(body.length),
      'Cache-Control': 'no-store',
      ...headers,
    },
  });
}
