// The side of an issuer at which people log in: OpenID Connect's authorization code flow, with PKCE and single-use codes, checked as an
// issuer must.
import { createHash, randomUUID } from 'node:crypto';
import type { JWTPayload } from 'jose';

interface Client {
  readonly clientId: string;
  /** undefined: a public client. */
  readonly secret: string | undefined;
  readonly redirectUris: string[];
}

interface Granted {
  readonly client: Client;
  readonly redirectUri: string;
  readonly challenge: string;
  readonly nonce: string | null;
}

export class LoginsAtIssuer {
  readonly clients: Client[] = [];
  /** Claims of the person in front of the browser. */
  person: JWTPayload = { sub: 'somebody' };
  /** Changes the claims of ID tokens. */
  change: (claims: JWTPayload) => JWTPayload = (claims) => claims;
  /** With it the issuer refuses all log-ins. */
  denial: { readonly error: string; readonly error_description: string } | undefined;
  /** Ways in which clients say who they are. */
  authentication: readonly string[] = ['client_secret_basic', 'client_secret_post'];
  readonly #codes = new Map<string, Granted>();

  endpoints(url: string): Readonly<Record<string, unknown>> {
    return {
      authorization_endpoint: `${url}/authorize`,
      token_endpoint: `${url}/token`,
      authorization_response_iss_parameter_supported: true,
      token_endpoint_auth_methods_supported: this.authentication,
    };
  }

  /** GET: a page with a button. POST: the person has pressed it. */
  async authorize(request: Request, issuer: string): Promise<Response> {
    const asked = new URL(request.url).searchParams;
    const client = this.clients.find(({ clientId }) => clientId === asked.get('client_id'));
    const redirectUri = asked.get('redirect_uri') ?? '';
    // Such mistakes must not lead the browser anywhere.
    if (client === undefined || !client.redirectUris.includes(redirectUri)) return wrong('client_id or redirect_uri');
    const challenge = asked.get('code_challenge') ?? '';
    const isWhole =
      asked.get('response_type') === 'code' &&
      asked.get('code_challenge_method') === 'S256' &&
      /^[\w-]{43}$/.test(challenge) &&
      asked.get('scope')?.split(' ').includes('openid') === true;
    if (!isWhole) return wrong('response_type, PKCE or scope');
    if (request.method === 'GET') return page();
    const back = new URL(redirectUri);
    const add = (fields: Readonly<Record<string, string | null>>): void => {
      for (const [name, value] of Object.entries(fields)) if (value !== null) back.searchParams.set(name, value);
    };
    add({ state: asked.get('state'), iss: issuer });
    if (this.denial === undefined) {
      const code = randomUUID();
      this.#codes.set(code, { client, redirectUri, challenge, nonce: asked.get('nonce') });
      add({ code });
    } else add(this.denial);
    return new Response(null, { status: 303, headers: { location: back.href } });
  }

  /** POST: a client redeems a code. */
  async token(request: Request, sign: (claims: JWTPayload) => Promise<string>): Promise<Response> {
    const form = new URLSearchParams(await request.text());
    const client = this.#authenticated(request, form);
    if (client === undefined) return refused(401, 'invalid_client');
    const code = form.get('code') ?? '';
    const granted = this.#codes.get(code);
    this.#codes.delete(code);
    const hash = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    if (
      form.get('grant_type') !== 'authorization_code' ||
      granted?.client !== client ||
      granted.redirectUri !== form.get('redirect_uri') ||
      granted.challenge !== hash
    )
      return refused(400, 'invalid_grant');
    const claims = {
      ...this.person,
      aud: client.clientId,
      ...(granted.nonce === null ? {} : { nonce: granted.nonce }),
    };
    return Response.json({
      access_token: randomUUID(),
      token_type: 'Bearer',
      expires_in: 300,
      id_token: await sign(this.change(claims)),
    });
  }

  #authenticated(request: Request, form: URLSearchParams): Client | undefined {
    const header = request.headers.get('authorization');
    if (header !== null) {
      if (!this.authentication.includes('client_secret_basic')) return undefined;
      // RFC 6749, section 2.3.1: both are encoded as in a form.
      const [id = '', secret = ''] = Buffer.from(header.replace(/^Basic /, ''), 'base64')
        .toString()
        .split(':')
        .map((each) => decodeURIComponent(each.replaceAll('+', ' ')));
      return this.clients.find((each) => each.clientId === id && each.secret === secret);
    }
    const secret = form.get('client_secret') ?? undefined;
    return this.clients.find((each) => each.clientId === form.get('client_id') && each.secret === secret);
  }
}

/** What a person does without a browser: presses the button of the issuer's page. @returns where the issuer leads the browser back */
export async function approve(address: string): Promise<string> {
  const response = await fetch(address, { method: 'POST', redirect: 'manual' });
  const location = response.headers.get('location');
  if (location === null) throw new Error(`the issuer refuses: ${response.status} ${await response.text()}`);
  return location;
}

function page(): Response {
  const html = '<!doctype html><title>Issuer</title><form method="post"><button>Approve</button></form>';
  return new Response(html, { headers: { 'content-type': 'text/html' } });
}

function wrong(what: string): Response {
  return new Response(`wrong ${what}`, { status: 400 });
}

function refused(status: number, error: string): Response {
  return Response.json({ error, error_description: `it is ${error}` }, { status });
}
