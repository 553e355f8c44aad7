// A Docker token server (distribution's spec/auth/token.md) with accounts, as Harbor, GitLab or docker_auth are.
import { SignJWT } from 'jose';
import type { IssuerKey } from './oidc-issuer.ts';

export interface TokenServerOptions {
  readonly key: IssuerKey;
  /** What the header of a token says about its key; by default its `kid`. */
  readonly header?: Readonly<Record<string, unknown>>;
  readonly passwords: Readonly<Record<string, string>>;
  /** What a user may do; undefined: without credentials. */
  readonly rights: (user: string | undefined, type: string, name: string) => readonly string[];
}

export interface TokenServer {
  /** What registries name as realm. */
  readonly realm: string;
  /** The requests for tokens so far: user, then scopes. */
  readonly asked: readonly string[];
  /** Changes how tokens are signed from now on. */
  sign(key: IssuerKey, header?: Readonly<Record<string, unknown>>): void;
  stop(): Promise<void>;
}

export const TOKEN_SERVER_ISSUER = 'the token server';
const REALM_PATH = '/service/token';

export function startTokenServer(options: TokenServerOptions): TokenServer {
  let { key, header } = options;
  const asked: string[] = [];
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    async fetch(request) {
      const url = new URL(request.url);
      if (url.pathname !== REALM_PATH) return new Response('not found', { status: 404 });
      // Most token servers know GET only; clients then use that.
      if (request.method !== 'GET') return new Response('method not allowed', { status: 405 });
      const user = userOf(request.headers.get('authorization'), options.passwords);
      if (user === null) return Response.json({ details: 'incorrect username or password' }, { status: 401 });
      const scopes = url.searchParams.getAll('scope').flatMap((each) => each.split(' '));
      asked.push([user ?? '', ...scopes].join(' '));
      const access = scopes.flatMap((scope) => {
        const [, type = '', name = '', actions = ''] = /^(\w+):(.+):([^:]*)$/.exec(scope) ?? [];
        const allowed = options.rights(user, type, name);
        const granted = actions.split(',').filter((action) => allowed.includes(action));
        return granted.length === 0 ? [] : [{ type, class: '', name, actions: granted }];
      });
      const now = Math.floor(Date.now() / 1_000);
      const claims = { iss: TOKEN_SERVER_ISSUER, aud: url.searchParams.get('service') ?? '', sub: user ?? '', access };
      const token = await new SignJWT({ ...claims, iat: now, nbf: now, exp: now + 300, jti: crypto.randomUUID() })
        .setProtectedHeader({ typ: 'JWT', alg: key.algorithm, ...(header ?? { kid: key.jwk.kid ?? '' }) })
        .sign(key.privateKey);
      return Response.json({ token, access_token: token, expires_in: 300, issued_at: new Date().toISOString() });
    },
  });
  return {
    realm: `http://localhost:${server.port}${REALM_PATH}`,
    asked,
    sign(nextKey, nextHeader) {
      key = nextKey;
      header = nextHeader;
    },
    async stop() {
      await server.stop(true);
    },
  };
}

/** @returns undefined without credentials, null with wrong ones */
function userOf(authorization: string | null, passwords: Readonly<Record<string, string>>): string | undefined | null {
  if (authorization === null) return undefined;
  const [user = '', password] = Buffer.from(authorization.replace(/^Basic /i, ''), 'base64')
    .toString()
    .split(':');
  return password !== undefined && passwords[user] === password ? user : null;
}
