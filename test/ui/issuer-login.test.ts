// Log-in at the page with an OIDC issuer, from outside, against an issuer that checks PKCE: who gets in, and every way in which an answer
// is not the one to this log-in.
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JWTPayload } from 'jose';
import { type AccessFiles, writeAccessFiles } from '../access/world.ts';
import { eventually } from '../support/eventually.ts';
import { HOSTILE } from '../support/hostile-texts.ts';
import { approve } from '../support/issuer-logins.ts';
import { issuerKey, type OidcIssuer, signClaims, startIssuer } from '../support/oidc-issuer.ts';
import { secret } from '../support/secrets.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { Visitor } from './page-client.ts';
import { pushAsAdmin } from './push.ts';

setDefaultTimeout(300_000);

const REPO = 'team/app';
const PAGE = `/ui/repositories/${REPO}`;
const START = '/ui/login/with/idp';
const DONE = `${START}/done`;
const ANN = { sub: 'ann', groups: ['dev', 'staff'] };

let issuer: OidcIssuer;
let other: OidcIssuer;
let files: AccessFiles;
let server: Server;
beforeAll(async () => {
  [issuer, other] = await Promise.all([startIssuer(), startIssuer(await issuerKey('ES256'))]);
  const secretFile = join(temporaryFolder('client'), 'secret');
  const clientSecret = secret('the secret of the web client');
  writeFileSync(secretFile, `${clientSecret}\n`);
  files = writeAccessFiles(`
rules:
  - { who: admin, repositories: ['**'], actions: [pull, push, catalog] }
  - { who: { issuer: idp, claims: { groups: dev } }, repositories: ['team/**'], actions: [pull] }
issuers:
  - name: idp
    issuer: ${issuer.url}
    audience: registry.example
    web: { clientId: marina, clientSecretFile: ${secretFile}, scopes: [groups] }
  - { name: other, issuer: '${other.url}', audience: registry.example, web: { clientId: public } }
  - { name: robots-only, issuer: 'https://ci.example', audience: registry.example }
`);
  const { PUBLIC_HOSTS: _, ...env } = files.env;
  server = await startServer(env);
  const redirectUris = [server.url + DONE];
  issuer.logins.clients.push({ clientId: 'marina', secret: clientSecret, redirectUris });
  other.logins.clients.push({
    ...{ clientId: 'public', secret: undefined },
    redirectUris: [`${server.url}/ui/login/with/other/done`],
  });
  await pushAsAdmin(server.url, REPO, 'v1');
});
beforeEach(() => {
  issuer.answer = () => undefined;
  issuer.logins.person = ANN;
  issuer.logins.change = (claims) => claims;
  issuer.logins.denial = undefined;
});
afterAll(async () => {
  await cleanUp();
  await Promise.all([issuer?.stop(), other?.stop()]);
});

/** Each request on a connection of its own, so that the threads of the server take turns. */
function newVisitor(): Visitor {
  return new Visitor(server.url, { connection: 'close' });
}

/** Begins a log-in, and presses the button at the issuer. @returns the path to which the issuer leads the browser back */
async function begin(visitor: Visitor, start = START): Promise<string> {
  const { status, location } = await visitor.get(start);
  expect([start, status]).toEqual([start, 303]);
  const back = await approve(location ?? '');
  expect(back).toStartWith(server.url);
  const { searchParams } = new URL(back);
  for (const name of ['code', 'state']) if (searchParams.has(name)) secret(searchParams.get(name) ?? '');
  return back.slice(server.url.length);
}

async function logIn(visitor: Visitor, to = ''): Promise<Awaited<ReturnType<Visitor['get']>>> {
  return await visitor.get(await begin(visitor, START + to));
}

function hasSession(visitor: Visitor): boolean {
  return visitor.cookies.has('marina_session');
}

describe('a person who logs in with an issuer', () => {
  test('comes back to the wanted page as the subject of the issuer, with the rights of the claims, and logs out', async () => {
    const visitor = newVisitor();
    expect((await visitor.get(PAGE)).location).toBe(`/ui/login?${new URLSearchParams({ to: PAGE })}`);
    const done = await logIn(visitor, `?${new URLSearchParams({ to: PAGE })}`);
    expect([done.status, done.headers.get('refresh')]).toEqual([200, `0; url=${PAGE}`]);
    expect(done.html).toContain('oidc:idp:ann');
    expect([...visitor.cookies.keys()]).toEqual(['marina_session']);
    const shown = await visitor.get(PAGE);
    expect([shown.status, shown.html.includes('oidc:idp:ann')]).toEqual([200, true]);
    expect(shown.html).not.toContain('Delete chosen');
    expect((await visitor.submit(PAGE, '/ui/logout')).status).toBe(303);
    expect((await visitor.get(PAGE)).status).toBe(303);
  });

  test('sees nothing without the claims that rules name', async () => {
    issuer.logins.person = { sub: 'bob', groups: ['staff'] };
    const visitor = newVisitor();
    expect((await logIn(visitor)).status).toBe(200);
    expect((await visitor.get(PAGE)).status).toBe(404);
  });

  test('gets cookies that no script reads: one that other sites send only by links, and one that they never send', async () => {
    const visitor = newVisitor();
    const started = await visitor.get(START);
    expect(started.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^marina_login=\S+; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/),
    ]);
    const back = (await approve(started.location ?? '')).slice(server.url.length);
    expect((await visitor.get(back)).headers.getSetCookie()).toEqual([
      expect.stringMatching(/^marina_session=\S+; Max-Age=43200; Path=\/; HttpOnly; SameSite=Strict$/),
      'marina_login=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax',
    ]);
  });

  test('may use a client without a secret, and an issuer with another kind of key', async () => {
    const visitor = newVisitor();
    const done = await visitor.get(await begin(visitor, '/ui/login/with/other'));
    expect([done.status, hasSession(visitor)]).toEqual([200, true]);
    expect(done.html).toContain('oidc:other:somebody');
  });

  test('may use a client whose secret is sent in the form', async () => {
    const before = issuer.logins.authentication;
    issuer.logins.authentication = ['client_secret_post'];
    try {
      // Endpoints are remembered, so another registry looks at them again.
      const { PUBLIC_HOSTS: _, ...env } = files.env;
      const second = await startServer({ ...env, THREADS: '1' });
      issuer.logins.clients[0]?.redirectUris.push(second.url + DONE);
      const visitor = new Visitor(second.url);
      const back = await approve((await visitor.get(START)).location ?? '');
      expect((await visitor.get(back.slice(second.url.length))).status).toBe(200);
      await second.stop();
    } finally {
      issuer.logins.authentication = before;
    }
  });

  test('is offered the issuers that have a web client, and comes back only to pages of this registry', async () => {
    const visitor = newVisitor();
    const { html } = await visitor.get('/ui/login');
    expect([html.includes('with idp'), html.includes('with other'), html.includes('robots-only')]).toEqual([
      true,
      true,
      false,
    ]);
    expect((await visitor.get('/ui/login/with/robots-only')).status).toBe(404);
    const done = await logIn(visitor, '?to=https://evil.example/');
    expect(done.headers.get('refresh')).toBe('0; url=/ui/');
    // Who is logged in already needs no issuer.
    expect((await visitor.get(START)).location).toBe('/ui/');
  });

  test('with more claims than a cookie holds is told so', async () => {
    issuer.logins.person = { sub: 'many', groups: Array.from({ length: 400 }, (_, at) => `group-${at}`) };
    const visitor = newVisitor();
    const { status, html } = await logIn(visitor);
    expect([status, hasSession(visitor)]).toEqual([403, false]);
    expect(html).toContain('too many claims');
  });
});

describe('an answer is refused', () => {
  test('with another state, and the log-in goes on', async () => {
    const visitor = newVisitor();
    const back = await begin(visitor);
    const { status, html } = await visitor.get(back.replace(/state=[^&]+/, 'state=forged'));
    expect([status, hasSession(visitor)]).toEqual([400, false]);
    expect(html).toContain('did not begin in this browser');
    expect((await visitor.get(back)).status).toBe(200);
  });

  test('when it comes again, even with the cookie of before', async () => {
    const visitor = newVisitor();
    const back = await begin(visitor);
    const cookie = visitor.cookies.get('marina_login') ?? '';
    expect((await visitor.get(back)).status).toBe(200);
    const replayed = newVisitor();
    expect((await replayed.get(back)).status).toBe(400);
    replayed.setCookie('marina_login', cookie);
    expect([(await replayed.get(back)).status, hasSession(replayed)]).toEqual([403, false]);
  });

  test('in another browser, also under the state of that browser', async () => {
    const [one, another] = [newVisitor(), newVisitor()];
    const back = await begin(one);
    expect((await another.get(back)).status).toBe(400);
    const own = new URL(await begin(another), server.url);
    own.searchParams.set('code', new URL(back, server.url).searchParams.get('code') ?? '');
    // The issuer finds that the code belongs to another challenge.
    expect([(await another.get(own.pathname + own.search)).status, hasSession(another)]).toEqual([403, false]);
  });

  test('from another issuer than the one where it began', async () => {
    const visitor = newVisitor();
    const back = await begin(visitor);
    expect((await visitor.get(back.replace(START, '/ui/login/with/other'))).status).toBe(400);
    const named = new URL(back, server.url);
    named.searchParams.set('iss', other.url);
    expect([(await visitor.get(named.pathname + named.search)).status, hasSession(visitor)]).toEqual([403, false]);
  });

  test('with a cookie that this registry did not sign', async () => {
    const visitor = newVisitor();
    const back = await begin(visitor);
    const [head = '', , signature = ''] = (visitor.cookies.get('marina_login') ?? '').split('.');
    const pending = { issuer: 'idp', redirectUri: server.url + DONE, to: '/ui/', proofs: {} };
    const forged = Buffer.from(JSON.stringify({ pending })).toString('base64url');
    for (const cookie of [`${head}.${forged}.${signature}`, 'x', '']) {
      visitor.setCookie('marina_login', cookie);
      expect([(await visitor.get(back)).status, hasSession(visitor)]).toEqual([400, false]);
    }
  });

  const seconds = () => Math.floor(Date.now() / 1_000);
  test.each<[string, (claims: JWTPayload) => JWTPayload]>([
    ['another nonce', (claims) => ({ ...claims, nonce: 'other' })],
    ['no nonce', ({ nonce: _, ...claims }) => claims],
    ['the audience of the API', (claims) => ({ ...claims, aud: 'registry.example' })],
    ['two audiences and no azp', (claims) => ({ ...claims, aud: ['marina', 'other'] })],
    ['another authorized party', (claims) => ({ ...claims, aud: ['marina', 'other'], azp: 'other' })],
    ['another issuer', (claims) => ({ ...claims, iss: other.url })],
    ['a past end', (claims) => ({ ...claims, exp: seconds() - 120 })],
    ['a lifetime of a week', (claims) => ({ ...claims, exp: seconds() + 7 * 24 * 3_600 })],
    ['no subject', ({ sub: _, ...claims }) => claims],
  ])('with an ID token that has %s', async (_, change) => {
    issuer.logins.change = change;
    const visitor = newVisitor();
    expect([(await logIn(visitor)).status, hasSession(visitor)]).toEqual([403, false]);
    // The cookie of this log-in is used up.
    expect(visitor.cookies.size).toBe(0);
  });

  test('with an ID token that another key has signed', async () => {
    const [key, real] = [await issuerKey('RS256'), issuer.keys[0] ?? expect.unreachable()];
    const visitor = newVisitor();
    const back = await begin(visitor);
    issuer.answer = async (path) => {
      if (path !== '/token') return undefined;
      const now = seconds();
      const claims = { iss: issuer.url, aud: 'marina', sub: 'ann', iat: now, exp: now + 60, nonce: nonceOf(visitor) };
      const idToken = await signClaims({ ...key, jwk: { ...key.jwk, kid: real.jwk.kid ?? '' } }, claims);
      return Response.json({ access_token: 'x', token_type: 'Bearer', id_token: idToken });
    };
    expect([(await visitor.get(back)).status, hasSession(visitor)]).toEqual([403, false]);
  });
});

/** A log-in that is not finished keeps its proofs in the cookie. */
function nonceOf(visitor: Visitor): string {
  const [, payload = ''] = (visitor.cookies.get('marina_login') ?? '').split('.');
  const { pending } = JSON.parse(Buffer.from(payload, 'base64url').toString());
  return String(pending.proofs.nonce);
}

describe('an issuer', () => {
  test.each(HOSTILE)('that refuses is quoted as text: %#', async (text) => {
    issuer.logins.denial = { error: 'access_denied', error_description: text };
    const visitor = newVisitor();
    const { status, html } = await logIn(visitor);
    expect([status, hasSession(visitor)]).toEqual([403, false]);
    const quotes: string[] = [];
    let elements = 0;
    new HTMLRewriter()
      .on('.login-quote', { text: ({ text: part }) => void quotes.push(part) })
      .on('.login-quote *, .login script, .login img, .login iframe', { element: () => void elements++ })
      .transform(html);
    expect(quotes.join('')).toStartWith('access_denied');
    expect(elements).toBe(0);
  });

  test('is quoted only in the browser that asked it', async () => {
    const lure = `${DONE}?error=access_denied&error_description=call+0900+123&state=x`;
    const { status, html } = await newVisitor().get(lure);
    expect([status, html.includes('0900')]).toEqual([400, false]);
  });

  test.each<[string, () => Response | Promise<Response>, number]>([
    ['leads elsewhere', () => Response.redirect(`${other.url}/token`), 503],
    ['answers without end', () => new Response(' '.repeat(2 * 1024 * 1024)), 503],
    ['fails', () => new Response('no', { status: 500 }), 403],
    ['sends no JSON', () => new Response('<html>'), 403],
    ['sends no ID token', () => Response.json({ access_token: 'x', token_type: 'Bearer' }), 403],
    ['sends another ID token', () => Response.json({ access_token: 'x', token_type: 'Bearer', id_token: 'x' }), 403],
    ['names an error', () => Response.json({ error: '<b>' }, { status: 400 }), 403],
  ])('that %s when the code is redeemed gives a page that says so', async (_, answer, expected) => {
    issuer.answer = (path) => (path === '/token' ? answer() : undefined);
    const visitor = newVisitor();
    const { status, html } = await logIn(visitor);
    expect([status, hasSession(visitor)]).toEqual([expected, false]);
    expect(html).toContain('idp');
  });

  test('leads back only to a name that no other site can have', async () => {
    for (const headers of [
      { host: 'evil.example' },
      { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https' },
    ]) {
      const { status, location, html } = await new Visitor(server.url, headers).get(START);
      expect([status, location]).toEqual([403, null]);
      expect(html).toContain('PUBLIC_HOSTS');
    }
  });

  test('is not asked by a HEAD, which would use up the code', async () => {
    const response = await fetch(server.url + DONE, { method: 'HEAD' });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET']);
  });
});

test('no line of the log has a code, a state or a secret', async () => {
  await logIn(newVisitor());
  await eventually(() => expect(server.logs()).toContain('a person logged in at the page'));
  expect(server.logs()).toContain(DONE);
  expect(server.logs()).not.toMatch(/code=|state=/);
});

test('a log-in ends when the issuer is removed from ACCESS_FILE', async () => {
  const visitor = newVisitor();
  await logIn(visitor);
  expect((await visitor.get(PAGE)).status).toBe(200);
  const text = readFileSync(files.rules, 'utf8');
  writeFileSync(files.rules, text.replaceAll('idp', 'renamed'));
  await eventually(async () => expect((await visitor.get(PAGE)).status).toBe(303));
  writeFileSync(files.rules, text);
});
