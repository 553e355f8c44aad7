import { beforeEach, describe, expect, test } from 'bun:test';
import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { CompactSign, exportSPKI, importJWK, type JWTPayload } from 'jose';
import { type IssuerKey, issuerKey, signClaims } from '../../../test/support/oidc-issuer.ts';
import type { Authenticated } from '../authenticator.ts';
import type { Issuer } from '../rules/issuer.ts';
import { IssuerProblem } from './issuer-problem.ts';
import { parseKeySet } from './key-set.ts';
import { Keyring } from './keyring.ts';
import { OidcTokens } from './oidc-tokens.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const SECONDS = NOW / 1_000;
const URL = 'https://idp.example';
const CI: Issuer = { name: 'ci', issuer: URL, audience: 'registry.example', jwks: { kind: 'discover' } };
const GOOD = { iss: URL, aud: 'registry.example', sub: 'job', iat: SECONDS, exp: SECONDS + 300 };

const rsa = await issuerKey('RS256', 'rsa');
const ec = await issuerKey('ES256', 'ec');
const ed = await issuerKey('EdDSA', 'ed');
const stranger = await issuerKey('RS256', 'rsa');

interface World {
  now: number;
  monotonic: number;
  keys: readonly IssuerKey[] | undefined;
  loads: number;
  rules: { readonly issuers: readonly Issuer[]; readonly claimsNeeded: (issuer: string) => readonly string[] };
  readonly lines: string[];
  readonly keyring: Keyring;
  readonly tokens: OidcTokens;
}

function open(): World {
  const world: World = {
    now: NOW,
    monotonic: 0,
    keys: [rsa, ec, ed],
    loads: 0,
    rules: { issuers: [CI], claimsNeeded: () => ['ref', 'groups', '__proto__', 'constructor'] },
    lines: [],
    keyring: new Keyring({
      load: async (issuer) => {
        world.loads++;
        if (world.keys === undefined) throw new IssuerProblem('it is down');
        return parseKeySet({ keys: world.keys.map(({ jwk }) => jwk) }, issuer.issuer);
      },
      monotonic: () => world.monotonic,
      logger: {
        info: (fields, message) => world.lines.push(`${message} ${JSON.stringify(fields)}`),
        warn: (fields, message) => world.lines.push(`${message} ${JSON.stringify(fields)}`),
        error: (fields, message) => world.lines.push(`${message} ${JSON.stringify(fields)}`),
      },
    }),
    tokens: new OidcTokens({
      rules: () => world.rules,
      keysOf: (issuer) => world.keyring.of(issuer),
      now: () => world.now,
    }),
  };
  return world;
}

let world: World;
beforeEach(() => {
  world = open();
});

async function check(token: string): Promise<Authenticated | undefined> {
  return await world.tokens.bearer(token);
}

async function reasonFor(claims: JWTPayload, header?: Record<string, unknown>, key = rsa): Promise<string> {
  const found = await check(await signClaims(key, claims, header));
  return found?.kind === 'refused' ? found.reason : String(found?.kind);
}

describe('a token is accepted', () => {
  test.each([rsa, ec, ed])('that is signed with a key of the issuer', async (key) => {
    const found = await check(await signClaims(key, GOOD));
    expect(found).toEqual({
      kind: 'known',
      authority: { kind: 'identity', identity: { kind: 'oidc', issuer: 'ci', subject: 'job', claims: {} } },
    });
  });

  test('as the password of any user name', async () => {
    const token = await signClaims(ec, GOOD);
    for (const user of ['oidc', '', 'operator', 'gitlab-ci-token']) {
      expect(await world.tokens.basic(user, token)).toMatchObject({ kind: 'known' });
    }
  });

  test('with several audiences, of which one is ours, and with any of the usual types', async () => {
    expect(await reasonFor({ ...GOOD, aud: ['other', 'registry.example'] })).toBe('known');
    for (const typ of ['JWT', 'jwt', 'at+jwt', 'application/at+jwt', undefined]) {
      expect(await reasonFor(GOOD, { typ })).toBe('known');
    }
  });

  test('up to a minute before and after its times, since clocks differ', async () => {
    expect(await reasonFor({ ...GOOD, exp: SECONDS - 59 })).toBe('known');
    expect(await reasonFor({ ...GOOD, nbf: SECONDS + 59, iat: SECONDS + 59 })).toBe('known');
  });

  test('and only the claims that rules examine are kept', async () => {
    const claims = { ref: 'refs/heads/main', groups: ['a', 'b'], email: 'me@example.com' };
    const found = await check(await signClaims(ec, { ...GOOD, ...claims }));
    expect(found).toMatchObject({
      authority: { identity: { claims: { ref: 'refs/heads/main', groups: ['a', 'b'] } } },
    });
    expect(JSON.stringify(found)).not.toContain('example.com');
  });
});

describe('a token is refused', () => {
  test.each([
    [{ ...GOOD, aud: 'other' }, 'another audience'],
    [{ ...GOOD, aud: ['other', 'registry.example.org'] }, 'another audience'],
    [{ ...GOOD, aud: { 'registry.example': true } }, 'another audience'],
    [{ ...GOOD, aud: undefined }, 'no "aud"'],
    [{ ...GOOD, exp: SECONDS - 60 }, 'has expired'],
    [{ ...GOOD, exp: undefined }, 'no "exp"'],
    [{ ...GOOD, exp: '9999999999' }, '"exp"'],
    [{ ...GOOD, exp: SECONDS + 24 * 3600 + 1 }, 'more than a day'],
    [{ ...GOOD, nbf: SECONDS + 61 }, 'not valid yet'],
    [{ ...GOOD, iat: SECONDS + 61, exp: SECONDS + 120 }, 'issued in the future'],
    [{ ...GOOD, iat: undefined }, 'no "iat"'],
    [{ ...GOOD, sub: undefined }, 'no "sub"'],
    [{ ...GOOD, sub: '' }, '"sub"'],
    [{ ...GOOD, sub: 1 }, '"sub"'],
    [{ ...GOOD, sub: ['job'] }, '"sub"'],
  ])('with the claims %j', async (claims, reason) => {
    expect(await reasonFor(claims as unknown as JWTPayload)).toContain(reason);
  });

  test('with a subject that is too long', async () => {
    expect(await reasonFor({ ...GOOD, sub: 'x'.repeat(1_024) })).toBe('known');
    expect(await reasonFor({ ...GOOD, sub: 'x'.repeat(1_025) })).toContain('"sub"');
  });

  test('with impossible times', async () => {
    const json = JSON.stringify({ ...GOOD, exp: 'EXP', iat: 'IAT' });
    for (const [exp, iat] of [
      ['1e999', String(SECONDS)],
      ['1e999', '-1e999'],
      [String(SECONDS + 300), '-1e999'],
    ]) {
      const payload = json.replace('"EXP"', exp ?? '').replace('"IAT"', iat ?? '');
      expect(await check(await signRaw(rsa, payload))).toMatchObject({ kind: 'refused' });
    }
  });

  test.each([
    [{ crit: ['exp'], exp: 1 }, 'JOSE_NOT_SUPPORTED'],
    [{ crit: ['b64'], b64: true }, 'JOSE_NOT_SUPPORTED'],
    [{ typ: 'logout+jwt' }, 'malformed'],
    [{ typ: 'marina-refresh+jwt' }, 'malformed'],
    [{ kid: '../../../../dev/null' }, 'unknown key'],
    [{ kid: 'ec' }, 'unknown key'],
    [{ typ: ['JWT'] }, 'malformed'],
  ])('with the header %j', async (header, reason) => {
    expect(await reasonFor(GOOD, header)).toContain(reason);
  });

  test('whose header contains its own key, or a URL of one', async () => {
    for (const header of [
      { jwk: stranger.jwk },
      { jwk: stranger.jwk, kid: undefined },
      { jku: 'https://evil.example/keys', kid: 'evil' },
      { x5u: 'https://evil.example/certificate', kid: undefined },
      { x5c: ['MIIB'] },
    ]) {
      expect(await reasonFor(GOOD, header, stranger)).toMatch(/signature|unknown key/);
    }
  });

  test('that is signed with a public key as if it were a secret, or not at all', async () => {
    const spki = await exportSPKI((await importJWK(rsa.jwk, 'RS256')) as CryptoKey);
    const payload = Buffer.from(JSON.stringify(GOOD)).toString('base64url');
    for (const alg of ['HS256', 'HS384', 'HS512', 'none', 'None', 'RS384', 'PS256', 'ES384', '']) {
      const header = Buffer.from(JSON.stringify({ typ: 'JWT', alg, kid: 'rsa' })).toString('base64url');
      const mac = createHmac('sha256', spki).update(`${header}.${payload}`).digest('base64url');
      expect(await check(`${header}.${payload}.${mac}`)).toMatchObject({ kind: 'refused' });
      // Without a signature it does not have the form of a token.
      expect(await check(`${header}.${payload}.`)).toBeUndefined();
    }
  });

  test('that names no key although there are several for its algorithm', async () => {
    expect(await reasonFor(GOOD, { kid: undefined })).toBe('known');
    world = open();
    world.keys = [rsa, await issuerKey('RS256', 'other')];
    expect(await reasonFor(GOOD, { kid: undefined })).toContain('which of several keys');
  });
});

test('anything but a token of a known issuer is left to the next authenticator', async () => {
  const other = await signClaims(rsa, { ...GOOD, iss: 'https://other.example' });
  const slash = await signClaims(rsa, { ...GOOD, iss: `${URL}/` });
  for (const text of ['', 'password', 'a.b.c', 'eyJ.eyJ.x', other, slash, `${await signClaims(rsa, GOOD)}.x`]) {
    expect(world.tokens.bearer(text)).toBeUndefined();
    expect(world.tokens.basic('oidc', text)).toBeUndefined();
  }
  expect(world.tokens.bearer(await signClaims(rsa, { ...GOOD, more: 'x'.repeat(20_000) }))).toBeUndefined();
  expect(world.loads).toBe(0);
});

describe('a cached token', () => {
  test('is accepted synchronously, with the same object', async () => {
    const token = await signClaims(ec, GOOD);
    const found = await check(token);
    expect(world.tokens.bearer(token)).toBe(found);
    expect(world.tokens.basic('oidc', token)).toBe(found);
  });

  test('expires', async () => {
    const token = await signClaims(ec, GOOD);
    await check(token);
    world.now += 359_000;
    expect(world.tokens.bearer(token)).toMatchObject({ kind: 'known' });
    world.now += 1_000;
    expect(await check(token)).toMatchObject({ kind: 'refused', reason: 'issuer ci: the token has expired' });
  });

  test('is verified again after an hour, since its key may have been withdrawn', async () => {
    const token = await signClaims(ec, { ...GOOD, exp: SECONDS + 8 * 3_600 });
    await check(token);
    world.keys = [rsa];
    world.now += 3_599_000;
    world.monotonic += 3_599_000;
    expect(await check(token)).toMatchObject({ kind: 'known' });
    world.now += 1_000;
    world.monotonic += 1_000;
    expect(await check(token)).toMatchObject({ kind: 'refused' });
  });

  test('is verified again when ACCESS_FILE has changed', async () => {
    const token = await signClaims(ec, GOOD);
    await check(token);
    world.rules = { ...world.rules, issuers: [{ ...CI, audience: 'other.example' }] };
    expect(await check(token)).toMatchObject({ kind: 'refused' });
    world.rules = { ...world.rules, issuers: [] };
    expect(world.tokens.bearer(token)).toBeUndefined();
  });
});

describe('the keys of an issuer', () => {
  test('are loaded again for an unknown key, at most once a minute', async () => {
    await reasonFor(GOOD);
    const fresh = await issuerKey('ES256', 'fresh');
    world.keys = [rsa, fresh];
    expect(await reasonFor(GOOD, {}, fresh)).toContain('unknown key');
    world.monotonic += 60_000;
    expect(await reasonFor(GOOD, {}, fresh)).toBe('known');
    for (let each = 0; each < 100; each++) await reasonFor(GOOD, { kid: `unknown-${each}` });
    expect(world.loads).toBe(2);
  });

  test('stay when another part of ACCESS_FILE changes', async () => {
    await reasonFor(GOOD);
    world.rules = { ...world.rules, issuers: [{ ...CI, jwks: { kind: 'discover' } }] };
    await reasonFor({ ...GOOD, sub: 'other' });
    expect(world.loads).toBe(1);
    world.rules = { ...world.rules, issuers: [{ ...CI, jwks: { kind: 'url', url: `${URL}/keys` } }] };
    await reasonFor({ ...GOOD, sub: 'other' });
    expect(world.loads).toBe(2);
  });

  test('cannot be loaded: its tokens are refused, with one log line', async () => {
    world.keys = undefined;
    for (let each = 0; each < 20; each++) expect(await reasonFor(GOOD)).toBe('there are no keys of the issuer ci');
    expect(world.lines).toEqual([
      'the keys of an issuer cannot be loaded: its tokens are refused {"issuer":"ci","reason":"it is down"}',
    ]);
  });
});

describe('for any input', () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.';

  test('a token that was changed anywhere is not accepted', async () => {
    for (const key of [rsa, ec, ed]) {
      const token = await signClaims(key, GOOD);
      const places = fc.nat(token.length - 1);
      const change = fc.oneof(
        fc.tuple(places, fc.constantFrom(...alphabet)).map(([at, by]) => token.slice(0, at) + by + token.slice(at + 1)),
        fc.tuple(places, fc.constantFrom(...alphabet)).map(([at, by]) => token.slice(0, at) + by + token.slice(at)),
        places.map((at) => token.slice(0, at)),
        fc.tuple(places, places).map(([from, to]) => token.slice(0, from) + token.slice(to)),
      );
      await fc.assert(
        fc.asyncProperty(change, async (changed) => {
          fc.pre(changed !== token && !isSameToken(changed, token));
          expect((await check(changed))?.kind).not.toBe('known');
        }),
        { numRuns: 300 },
      );
    }
  });

  test('headers and claims of any shape lead to an answer, never to an error', async () => {
    const json = fc.dictionary(
      fc.constantFrom('alg', 'kid', 'typ', 'crit', 'jwk', 'b64', 'iss', 'sub', 'aud', 'exp', 'nbf', 'iat', '__proto__'),
      fc.oneof(fc.jsonValue(), fc.constantFrom(URL, 'registry.example', 'RS256', 'rsa', SECONDS, ['b64'], -1, 1e21)),
    );
    await fc.assert(
      fc.asyncProperty(json, json, fc.string({ unit: 'binary' }), async (header, claims, signature) => {
        const parts = [
          { alg: 'RS256', kid: 'rsa', ...header },
          { ...GOOD, ...claims },
        ].map((each) => JSON.stringify(each));
        const token = [...parts, `s${signature}`].map((each) => Buffer.from(each).toString('base64url')).join('.');
        expect((await check(token))?.kind).not.toBe('known');
      }),
      { numRuns: 500 },
    );
  });

  test('claims of any shape, well signed, become an identity of this issuer or are refused', async () => {
    const json = fc.dictionary(
      fc.constantFrom('sub', 'aud', 'exp', 'nbf', 'iat', 'ref', 'groups', '__proto__', 'constructor'),
      fc.oneof(
        fc.jsonValue(),
        fc.constantFrom('operator', 'robot:ci', 'a\nb\u0000', 'registry.example', SECONDS, -1, 1e21),
      ),
    );
    await fc.assert(
      fc.asyncProperty(json, async (claims) => {
        const found = await check(await signRaw(ed, JSON.stringify({ ...GOOD, ...claims })));
        if (found?.kind !== 'known') return;
        const { identity } = found.authority;
        expect(identity).toMatchObject({ kind: 'oidc', issuer: 'ci' });
        if (identity.kind === 'oidc') expect(Object.getPrototypeOf(identity.claims)).toBe(Object.prototype);
      }),
      { numRuns: 300 },
    );
  });
});

/** Base64url has several texts for the same bytes where bits are left over: the library accepts only the canonical one, or all. */
function isSameToken(one: string, other: string): boolean {
  const bytes = (token: string): string =>
    token
      .split('.')
      .map((part) => Buffer.from(part, 'base64url').toString('hex'))
      .join();
  return bytes(one) === bytes(other);
}

/** Signs any bytes as claims. */
async function signRaw({ algorithm, jwk, privateKey }: IssuerKey, payload: string): Promise<string> {
  return await new CompactSign(Buffer.from(payload))
    .setProtectedHeader({ alg: algorithm, kid: jwk.kid ?? '', typ: 'JWT' })
    .sign(privateKey);
}
