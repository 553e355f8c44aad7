import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { createHmac, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { CompactSign, exportSPKI, importJWK, type JWTPayload, SignJWT } from 'jose';
import type { Authenticated } from '../../src/access/authenticator.ts';
import type { Action, RegistryAction } from '../../src/access/authority.ts';
import { namesOf } from '../../src/access/token-server/key-names.ts';
import { ServerTokens } from '../../src/access/token-server/server-tokens.ts';
import { Trust } from '../../src/access/token-server/trust.ts';
import type { RepositoryName } from '../../src/oci/names.ts';
import { CA, type Certificate, makeCertificate } from '../support/certificates.ts';
import { type IssuerKey, issuerKey, signClaims } from '../support/oidc-issuer.ts';
import { cleanUp } from '../support/server.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const SECONDS = Math.floor(Date.now() / 1_000) + 60;
const ISSUER = 'token server';
const SERVICE = 'registry.example';
const GOOD = { iss: ISSUER, aud: SERVICE, sub: 'ann', iat: SECONDS, nbf: SECONDS, exp: SECONDS + 300, jti: 'a' };

const rsa = await issuerKey('RS256', 'rsa');
const ec = await issuerKey('ES256', 'ec');
const stranger = await issuerKey('RS256', 'rsa');
let root: Certificate;
let leaf: Certificate;

beforeAll(async () => {
  root = await makeCertificate('root', { extensions: CA });
  leaf = await makeCertificate('leaf', { issuer: root });
});

interface World {
  now: number;
  trust: Trust;
  readonly tokens: ServerTokens;
}

function jwks(...keys: readonly IssuerKey[]): string {
  return JSON.stringify({ keys: keys.map(({ jwk }) => jwk) });
}

function open(): World {
  const world: World = {
    now: SECONDS * 1_000,
    trust: Trust.parse({ AUTH_TOKEN_JWKS_FILE: jwks(rsa, ec), AUTH_TOKEN_ROOTCERTBUNDLE: root.pem }),
    tokens: new ServerTokens({ issuer: ISSUER, service: SERVICE, trust: () => world.trust, now: () => world.now }),
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

/** Signs with the key of a certificate. */
async function signWith(
  { key }: Certificate,
  header: Readonly<Record<string, unknown>>,
  claims: object = GOOD,
): Promise<string> {
  return await new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT', ...header })
    .sign(createPrivateKey(key));
}

function publicKey({ key }: Certificate): KeyObject {
  return createPublicKey(key);
}

async function publicKeyOf({ jwk, algorithm }: IssuerKey): Promise<KeyObject> {
  return createPublicKey(await exportSPKI((await importJWK(jwk, algorithm)) as CryptoKey));
}

test("the token of distribution's specification was valid in 2014, by the libtrust fingerprint of its key", async () => {
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: 'm7zUpx3b-zmVE5cymSs64POG9QcyEpJaYCD82-549_Q',
    y: 'dU3biz8sZ_8GPB-odm8Wxz3lNDr1xcAQQPQaOcr1fmc',
  };
  const claims = {
    iss: 'auth.docker.com',
    sub: 'jlhawn',
    aud: 'registry.docker.com',
    exp: 1415387315,
    nbf: 1415387015,
    iat: 1415387015,
    jti: 'tYJCO1c6cnyy7kAn0c7rKPgbV1H1bFws',
    access: [{ type: 'repository', name: 'samalba/my-app', actions: ['pull', 'push'] }],
  };
  // The signature printed in the specification does not match these claims.
  const privateKey = await importJWK({ ...jwk, d: 'R7OnbfMaD5J2jl7GeE8ESo7CnHSBm_1N2k9IXYFrKJA' }, 'ES256');
  const kid = 'PYYO:TEWU:V7JH:26JV:AQTZ:LJC3:SXVJ:XGHA:34F2:2LAQ:ZRMK:Z7Q6';
  const token = await new SignJWT(claims).setProtectedHeader({ typ: 'JWT', alg: 'ES256', kid }).sign(privateKey);
  const trust = Trust.parse({ AUTH_TOKEN_JWKS_FILE: JSON.stringify({ keys: [jwk] }) });
  const ports = { issuer: 'auth.docker.com', service: 'registry.docker.com', trust: () => trust };
  const found = await new ServerTokens({ ...ports, now: () => 1_415_387_100_000 }).bearer(token);
  expect(found).toMatchObject({ authority: { kind: 'server-token', identity: { kind: 'token', subject: 'jlhawn' } } });
  if (found?.kind !== 'known' || found.authority.kind !== 'server-token') throw new Error('it was refused');
  expect(found.authority.grants.allows('push', 'samalba/my-app' as RepositoryName)).toBe(true);
  const today = await new ServerTokens({ ...ports, now: Date.now }).bearer(token);
  expect(today).toEqual({ kind: 'refused', reason: 'the token has expired' });
});

describe('a key is found', () => {
  test('by its kid in AUTH_TOKEN_JWKS_FILE, by its thumbprint, and by its libtrust fingerprint', async () => {
    for (const key of [rsa, ec]) {
      expect(await reasonFor(GOOD, {}, key)).toBe('known');
      const names = namesOf(await publicKeyOf(key));
      for (const kid of names) expect(await reasonFor(GOOD, { kid }, key)).toBe('known');
    }
  });

  test('by the name of the key of a certificate in AUTH_TOKEN_ROOTCERTBUNDLE', async () => {
    for (const kid of namesOf(publicKey(root)))
      expect(await check(await signWith(root, { kid }))).toMatchObject({ kind: 'known' });
    for (const kid of namesOf(publicKey(leaf)))
      expect(await check(await signWith(leaf, { kid }))).toMatchObject({ kind: 'refused' });
  });

  test('by certificates in the header that the bundle verifies, and then by nothing else', async () => {
    expect(await check(await signWith(leaf, { x5c: [leaf.der] }))).toMatchObject({ kind: 'known' });
    expect(await check(await signWith(leaf, { x5c: [leaf.der, root.der], kid: 'other' }))).toMatchObject({
      kind: 'known',
    });
    const other = await makeCertificate('other');
    expect(await check(await signWith(other, { x5c: [other.der] }))).toMatchObject({ kind: 'refused' });
    // Another certificate.
    expect(await check(await signWith(other, { x5c: [leaf.der] }))).toMatchObject({
      reason: expect.stringContaining('signature'),
    });
    expect(await reasonFor(GOOD, { x5c: [other.der], kid: 'rsa' })).toContain(
      'not issued by a trusted and valid certificate',
    );
    expect(await reasonFor(GOOD, { x5c: [], kid: 'rsa' })).toContain('cannot be read');
  });

  test('by the key in the header only if it is a trusted one', async () => {
    expect(await reasonFor(GOOD, { jwk: rsa.jwk, kid: undefined })).toBe('known');
    expect(await reasonFor(GOOD, { jwk: { ...rsa.jwk, kid: 'another name' } })).toBe('known');
    expect(await reasonFor(GOOD, { jwk: stranger.jwk }, stranger)).toContain('not trusted');
    expect(await reasonFor(GOOD, { jwk: rsa.jwk }, stranger)).toContain('signature');
    for (const jwk of [{}, null, 'rsa', [], { kty: 'oct', k: 'AAAA' }]) {
      expect(await reasonFor(GOOD, { jwk, kid: 'rsa' })).toMatch(/not trusted/);
    }
    const jwk = { ...publicKey(leaf).export({ format: 'jwk' }), d: undefined, x5c: [leaf.der] };
    expect(await check(await signWith(leaf, { jwk }))).toMatchObject({ kind: 'known' });
    expect(await check(await signWith(leaf, { jwk: { ...jwk, x5c: undefined } }))).toMatchObject({ kind: 'refused' });
  });
});

describe('a token is accepted', () => {
  test('with one audience or several, with no nbf and no sub, and a minute before and after its times', async () => {
    for (const changed of [
      { aud: ['other', SERVICE] },
      { nbf: undefined, iat: undefined, jti: undefined },
      { sub: undefined },
      { sub: '' },
      { nbf: SECONDS + 59 },
      { exp: SECONDS - 59 },
      { access: undefined },
      { access: null },
      { access: [] },
    ]) {
      expect(await reasonFor({ ...GOOD, ...changed } as unknown as JWTPayload)).toBe('known');
    }
  });
});

describe('a token is refused', () => {
  test.each([
    [{ aud: 'other' }, 'another audience'],
    [{ aud: [] }, 'another audience'],
    [{ aud: undefined }, 'no "aud"'],
    [{ exp: undefined }, 'no "exp"'],
    [{ exp: SECONDS - 60 }, 'expired'],
    [{ nbf: SECONDS + 61 }, 'not valid yet'],
    [{ sub: 1 }, '"sub"'],
    [{ access: {} }, '"access"'],
    [{ access: [{ type: 'repository', name: 'a', actions: 'pull' }] }, '"access"'],
    [{ access: [{ type: 'repository', actions: ['pull'] }] }, '"access"'],
    [{ access: [null] }, '"access"'],
  ])('with %j', async (changed, reason) => {
    expect(await reasonFor({ ...GOOD, ...changed } as unknown as JWTPayload)).toContain(reason);
  });

  test.each([
    [{ kid: undefined }, 'does not say which key'],
    [{ kid: 'other' }, 'unknown key'],
    [{ kid: ['rsa'] }, 'does not say which key'],
    [{ kid: '../rsa' }, 'unknown key'],
    [{ kid: 'ec' }, 'algorithm that is not accepted'],
    [{ crit: ['exp'], exp: 1 }, 'JOSE_NOT_SUPPORTED'],
    [{ jku: 'https://evil.example/keys', kid: 'evil' }, 'unknown key'],
    [{ x5u: 'https://evil.example/chain', kid: undefined }, 'does not say which key'],
  ])('with the header %j', async (header, reason) => {
    expect(await reasonFor(GOOD, header)).toContain(reason);
  });

  test('that is signed with a public key as if it were a secret, or not at all', async () => {
    const secrets = [await exportSPKI((await importJWK(rsa.jwk, 'RS256')) as CryptoKey), rsa.jwk.n ?? '', ''];
    const payload = Buffer.from(JSON.stringify(GOOD)).toString('base64url');
    for (const alg of ['HS256', 'HS384', 'HS512', 'none', 'NONE', 'RS512 ', '']) {
      const header = Buffer.from(JSON.stringify({ typ: 'JWT', alg, kid: 'rsa' })).toString('base64url');
      for (const secret of secrets) {
        const mac = createHmac(/^HS\d+$/.test(alg) ? `sha${alg.slice(2)}` : 'sha256', secret);
        const token = `${header}.${payload}.${mac.update(`${header}.${payload}`).digest('base64url')}`;
        expect(await check(token)).toMatchObject({ kind: 'refused' });
      }
    }
  });

  test('by another key of the same name, or after its key was removed', async () => {
    expect(await reasonFor(GOOD, {}, stranger)).toContain('signature');
    const token = await signClaims(rsa, GOOD);
    expect(await check(token)).toMatchObject({ kind: 'known' });
    world.trust = Trust.parse({ AUTH_TOKEN_JWKS_FILE: jwks(ec) });
    expect(await check(token)).toMatchObject({ kind: 'refused' });
  });

  test('with another algorithm than that of its key in AUTH_TOKEN_JWKS_FILE', async () => {
    world.trust = Trust.parse({ AUTH_TOKEN_JWKS_FILE: JSON.stringify({ keys: [{ ...rsa.jwk, alg: 'PS256' }] }) });
    expect(await reasonFor(GOOD)).toContain('algorithm that is not accepted');
  });
});

test('a token of another issuer, and anything that is not a token, is left to the next authenticator', async () => {
  for (const text of ['', 'secret', 'a.b.c', await signClaims(rsa, { ...GOOD, iss: `${ISSUER} ` })]) {
    expect(world.tokens.bearer(text)).toBeUndefined();
  }
});

test('a cached token is accepted synchronously with the same object, until it expires', async () => {
  const token = await signClaims(ec, GOOD);
  const found = await check(token);
  expect(world.tokens.bearer(token)).toBe(found);
  world.now += 359_000;
  expect(world.tokens.bearer(token)).toBe(found);
  world.now += 1_000;
  expect(await check(token)).toMatchObject({ kind: 'refused' });
});

describe('the claim `access`', () => {
  async function allowed(access: unknown): Promise<(action: Action, repo?: string) => boolean> {
    const found = await check(await signClaims(ec, { ...GOOD, access }));
    if (found?.kind !== 'known' || found.authority.kind !== 'server-token') throw new Error('it was refused');
    const { grants } = found.authority;
    return (action, repo = 'team/app') => grants.allows(action, repo as RepositoryName);
  }

  async function allowedOnRegistry(access: unknown, action: RegistryAction): Promise<boolean> {
    const found = await check(await signClaims(ec, { ...GOOD, access }));
    return (
      found?.kind === 'known' &&
      found.authority.kind === 'server-token' &&
      found.authority.grants.allowsRegistry(action)
    );
  }

  const app = { type: 'repository', name: 'team/app' };
  const ALL = ['pull', 'push', 'create', 'delete'] as const;

  test.each<[readonly string[], readonly Action[]]>([
    [[], []],
    [['pull'], ['pull']],
    [
      ['pull', 'push'],
      ['pull', 'push', 'create'],
    ],
    [['delete'], ['delete']],
    [['*'], ['pull', 'push', 'create', 'delete']],
    [['PULL', 'create', 'admin', 'pull,push'], []],
  ])('with %j allows %j, on that repository only', async (actions, expected) => {
    const allows = await allowed([{ ...app, actions }]);
    expect(ALL.filter((action) => allows(action))).toEqual([...expected]);
    for (const name of ['team', 'team/app/x', 'team/ap', 'other', '*'])
      expect(ALL.some((each) => allows(each, name))).toBe(false);
  });

  test('merges entries, and ignores classes and other types', async () => {
    const allows = await allowed([
      { ...app, actions: ['pull'] },
      { ...app, class: 'plugin', actions: ['delete'] },
      { type: 'repository(plugin)', name: 'team/app', actions: ['push'] },
      { type: 'registry', name: 'team/app', actions: ['*'] },
      { ...app, actions: null },
    ]);
    expect(ALL.filter((action) => allows(action))).toEqual(['pull', 'delete']);
  });

  test('has names, not patterns', async () => {
    const allows = await allowed([
      { type: 'repository', name: 'team/*', actions: ['*'] },
      { type: 'repository', name: '*', actions: ['*'] },
    ]);
    expect(allows('pull')).toBe(false);
  });

  test('allows listing the catalog by registry:catalog:*', async () => {
    const catalog = { type: 'registry', name: 'catalog' };
    expect(await allowedOnRegistry([{ ...catalog, actions: ['*'] }], 'catalog')).toBe(true);
    expect(await allowedOnRegistry([{ ...catalog, actions: ['pull'] }], 'catalog')).toBe(false);
    expect(await allowedOnRegistry([{ ...catalog, actions: ['*'] }], 'admin')).toBe(false);
    expect(await allowedOnRegistry([{ type: 'repository', name: 'catalog', actions: ['*'] }], 'catalog')).toBe(false);
  });
});

describe('key files', () => {
  test.each([
    ['{', 'is not JSON'],
    ['[]', 'is not a JSON Web Key Set'],
    ['{"keys":[]}', 'has no RSA (2048 bits or more), EC or Ed25519 public key'],
    [
      '{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"a","alg":"HS256"}]}',
      'has no RSA (2048 bits or more), EC or Ed25519 public key',
    ],
    [jwks(rsa, stranger), 'two keys have the same kid'],
  ])('that cannot be used say why: %s', (text, reason) => {
    expect(() => Trust.parse({ AUTH_TOKEN_JWKS_FILE: text })).toThrow(reason);
  });

  test('with the same key twice, also as a certificate, can be used', () => {
    expect(() => Trust.parse({ AUTH_TOKEN_JWKS_FILE: jwks(rsa, rsa) })).not.toThrow();
    expect(() => Trust.parse({ AUTH_TOKEN_ROOTCERTBUNDLE: root.pem + root.pem })).not.toThrow();
  });
});

describe('for any input', () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.';

  test('a token that was changed anywhere is not accepted', async () => {
    const tokens = [await signClaims(rsa, GOOD), await signClaims(ec, GOOD), await signWith(leaf, { x5c: [leaf.der] })];
    for (const token of tokens) {
      const change = fc
        .tuple(fc.nat(token.length - 1), fc.constantFrom(...alphabet), fc.nat(1))
        .map(([at, by, removed]) => token.slice(0, at) + by + token.slice(at + removed));
      await fc.assert(
        fc.asyncProperty(change, async (changed) => {
          fc.pre(bytesOf(changed) !== bytesOf(token));
          expect((await check(changed))?.kind).not.toBe('known');
        }),
        { numRuns: 300 },
      );
    }
  });

  test('headers and claims of any shape lead to an answer, never to an error', async () => {
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(ISSUER, SERVICE, 'RS256', 'ES256', 'rsa', SECONDS, [root.der], [leaf.der], rsa.jwk, {
        x5c: [root.der],
      }),
    );
    const names = fc.constantFrom(
      'alg',
      'kid',
      'typ',
      'crit',
      'jwk',
      'x5c',
      'b64',
      'iss',
      'sub',
      'aud',
      'exp',
      'access',
    );
    const json = fc.dictionary(names, anything);
    await fc.assert(
      fc.asyncProperty(json, json, fc.string({ unit: 'binary' }), async (header, claims, signature) => {
        const parts = [
          { alg: 'RS256', kid: 'rsa', ...header },
          { ...GOOD, ...claims },
        ].map((each) => JSON.stringify(each));
        const token = [...parts, `s${signature}`].map((each) => Buffer.from(each).toString('base64url')).join('.');
        expect((await check(token))?.kind).not.toBe('known');
      }),
      { numRuns: 1_000 },
    );
  });

  test('claims of any shape, well signed, are accepted or refused, and allow only what they name', async () => {
    const entry = fc.record(
      {
        type: fc.constantFrom('repository', 'registry', 1),
        name: fc.constantFrom('a', 'b', '__proto__'),
        actions: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.jsonValue(), fc.array(entry)), async (access) => {
        const found = await check(await signClaims(ec, { ...GOOD, access } as JWTPayload));
        if (found?.kind !== 'known' || found.authority.kind !== 'server-token') return;
        expect(found.authority.grants.allows('pull', 'c' as RepositoryName)).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});

/** Different base64url texts can encode the same bytes, because some bits are unused. */
function bytesOf(token: string): string {
  return token
    .split('.')
    .map((part) => Buffer.from(part, 'base64url').toString('hex'))
    .join();
}
