import * as oauth from 'oauth4webapi';
import { LEEWAY_SECONDS } from '../foreign-token.ts';
import type { WebClient } from '../rules/issuer.ts';
import { askIssuer } from './fetch-json.ts';
import { IssuerProblem } from './issuer-problem.ts';
import type { Provider } from './provider.ts';

/*
 * The authorization code flow of OpenID Connect with PKCE. The library `oauth4webapi` makes the requests and checks the answers.
 * Signatures are checked elsewhere, by the same code and keys as those of other tokens (oidc-tokens.ts).
 */

/** Random texts by which the answers of an issuer are recognized as those to one log-in. */
export interface Proofs {
  /** Comes back in the address to which the issuer leads the browser. */
  readonly state: string;
  /** Comes back in the ID token. */
  readonly nonce: string;
  /** Is shown to the issuer when the code is redeemed. Before, it has seen only its hash (RFC 7636). */
  readonly verifier: string;
}

export function newProofs(): Proofs {
  return {
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
    verifier: oauth.generateRandomCodeVerifier(),
  };
}

/** Where a person logs in at the issuer. @param redirectUri to which the issuer leads the browser back */
export async function authorizationAddress(
  provider: Provider,
  { clientId, scopes }: WebClient,
  { state, nonce, verifier }: Proofs,
  redirectUri: string,
): Promise<string> {
  const address = new URL(provider.authorization_endpoint);
  const parameters = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    scope: scopes.join(' '),
    ...{ state, nonce },
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(parameters)) address.searchParams.set(name, value);
  return address.href;
}

/** What an issuer answered to a log-in. */
export type CodeAnswer =
  | { readonly kind: 'token'; readonly idToken: string }
  /** The issuer says that it refuses. Both texts are any texts of the issuer. */
  | { readonly kind: 'denied'; readonly error: string; readonly description: string | undefined }
  /** @property reason for the log */
  | { readonly kind: 'refused'; readonly reason: string };

interface CodeRequest {
  readonly provider: Provider;
  readonly client: WebClient;
  readonly secret: string | undefined;
  readonly proofs: Proofs;
  readonly redirectUri: string;
}

/**
 * Redeems the code that an issuer gave to the browser. Everything is checked except for the signature of the ID token.
 * @param parameters with which the browser came back
 * @param signal aborts the request
 * @throws IssuerProblem if the issuer does not answer
 */
export async function redeemCode(
  { provider, client: { clientId }, secret, proofs, redirectUri }: CodeRequest,
  parameters: URLSearchParams,
  signal: AbortSignal,
): Promise<CodeAnswer> {
  const client: oauth.Client = { client_id: clientId, [oauth.clockTolerance]: LEEWAY_SECONDS };
  try {
    const checked = oauth.validateAuthResponse(provider, client, parameters, proofs.state);
    const response = await oauth.authorizationCodeGrantRequest(
      provider,
      client,
      clientAuthentication(provider, secret),
      checked,
      redirectUri,
      proofs.verifier,
      {
        [oauth.customFetch]: (url, { method, headers, body }) => answerOf(url, { method, headers, body }, signal),
        // The endpoint was checked when it was discovered: only an issuer on this machine has one without TLS.
        [oauth.allowInsecureRequests]: provider.token_endpoint.startsWith('http:'),
      },
    );
    const { id_token: idToken } = await oauth.processAuthorizationCodeResponse(provider, client, response, {
      expectedNonce: proofs.nonce,
      requireIdToken: true,
    });
    return idToken === undefined ? { kind: 'refused', reason: 'there is no ID token' } : { kind: 'token', idToken };
  } catch (error) {
    return refusalOf(error);
  }
}

/** The default of OpenID Connect Discovery is client_secret_basic. */
function clientAuthentication(
  { token_endpoint_auth_methods_supported: methods = ['client_secret_basic'] }: Provider,
  secret: string | undefined,
): oauth.ClientAuth {
  if (secret === undefined) return oauth.None();
  const isInForm = !methods.includes('client_secret_basic') && methods.includes('client_secret_post');
  return isInForm ? oauth.ClientSecretPost(secret) : oauth.ClientSecretBasic(secret);
}

async function answerOf(url: string, request: Parameters<typeof askIssuer>[1], signal: AbortSignal): Promise<Response> {
  const { status, contentType, bytes } = await askIssuer(url, request, signal);
  if (status !== 200 && (status < 400 || status > 599)) throw new IssuerProblem(`${url} answers with status ${status}`);
  return new Response(bytes, { status, headers: { 'content-type': contentType } });
}

/** The messages of the library show nothing of what was sent. @throws errors that are not about the answer */
function refusalOf(error: unknown): CodeAnswer {
  if (error instanceof oauth.AuthorizationResponseError)
    return { kind: 'denied', error: error.error, description: error.error_description };
  if (error instanceof oauth.ResponseBodyError)
    return { kind: 'refused', reason: `the token endpoint answers with the error ${JSON.stringify(error.error)}` };
  if (
    error instanceof oauth.OperationProcessingError ||
    error instanceof oauth.UnsupportedOperationError ||
    error instanceof oauth.WWWAuthenticateChallengeError
  )
    return { kind: 'refused', reason: error.message };
  throw error;
}
