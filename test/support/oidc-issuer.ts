// An OIDC issuer on the loopback interface: its discovery document, its keys, tokens that it signs, and log-ins of people.
import { exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose';

import { LoginsAtIssuer } from './issuer-logins.ts';

export type Algorithm = 'RS256' | 'ES256' | 'EdDSA';

export interface IssuerKey {
  readonly algorithm: Algorithm;
  /** The public key, with `kid`, `alg` and `use`. */
  readonly jwk: JWK;
  readonly privateKey: CryptoKey;
}

export async function issuerKey(algorithm: Algorithm = 'RS256', kid: string = crypto.randomUUID()): Promise<IssuerKey> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig' };
  return { algorithm, jwk, privateKey };
}

/** Signs these claims, and adds nothing. */
export async function signClaims(
  { algorithm, jwk, privateKey }: IssuerKey,
  claims: JWTPayload,
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const whole = { alg: algorithm, kid: jwk.kid, typ: 'JWT', ...header } as JWTHeaderParameters;
  // Without this the library refuses to sign a `crit` that it does not know.
  const crit = Object.fromEntries((whole.crit ?? []).map((each) => [each, true]));
  return await new SignJWT(claims).setProtectedHeader(whole).sign(privateKey, { crit });
}

export interface OidcIssuer {
  readonly url: string;
  /** What it serves as its keys. */
  keys: readonly IssuerKey[];
  /** Replaces what it answers; it stays down, or up, until this is changed again. */
  answer: (path: string) => Response | undefined | Promise<Response | undefined>;
  /** How often each path was asked for. */
  readonly asked: Readonly<Record<string, number>>;
  /** Its clients, and whom it takes for the person in front of the browser. */
  readonly logins: LoginsAtIssuer;
  /** A token of this issuer, valid for five minutes. Undefined claims are left out. */
  token(claims: JWTPayload, header?: Readonly<Record<string, unknown>>): Promise<string>;
  stop(): Promise<void>;
}

/** @param path of its URL, without a slash at the end, such as Keycloak's `/realms/ci` */
export async function startIssuer(key?: IssuerKey, path = ''): Promise<OidcIssuer> {
  const first = key ?? (await issuerKey());
  const asked: Record<string, number> = {};
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      asked[pathname] = (asked[pathname] ?? 0) + 1;
      const replaced = await issuer.answer(pathname);
      if (replaced !== undefined) return replaced;
      switch (pathname) {
        case `${path}/.well-known/openid-configuration`:
          return Response.json({
            issuer: issuer.url,
            jwks_uri: `${issuer.url}/keys`,
            ...issuer.logins.endpoints(issuer.url),
          });
        case `${path}/keys`:
          return Response.json({ keys: issuer.keys.map(({ jwk }) => jwk) });
        case `${path}/authorize`:
          return await issuer.logins.authorize(request, issuer.url);
        case `${path}/token`:
          return await issuer.logins.token(request, (claims) => issuer.token(claims));
        default:
          return new Response('not found', { status: 404 });
      }
    },
  });
  const issuer: OidcIssuer = {
    url: `http://127.0.0.1:${server.port}${path}`,
    keys: [first],
    answer: () => undefined,
    logins: new LoginsAtIssuer(),
    asked,
    async token(claims, header) {
      const [signing] = issuer.keys;
      if (signing === undefined) throw new Error('the issuer has no key');
      const now = Math.floor(Date.now() / 1_000);
      const whole = { iss: issuer.url, aud: 'registry.example', iat: now, nbf: now, exp: now + 300, ...claims };
      return await signClaims(signing, whole, header);
    },
    async stop() {
      await server.stop(true);
    },
  };
  return issuer;
}
