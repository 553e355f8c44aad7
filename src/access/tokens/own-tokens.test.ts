import { describe, expect, test } from 'bun:test';
import { createHmac, generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { decodeJwt, decodeProtectedHeader, exportJWK, SignJWT } from 'jose';
import { testSigner } from '../../../test/support/token-keys.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { Authenticated } from '../authenticator.ts';
import { AccountVersions } from './account-versions.ts';
import { accessClaimsOf, type BoundIdentity } from './claims.ts';
import type { Granted } from './grant.ts';
import { makeTokenKey } from './keys.ts';
import { OwnTokens } from './own-tokens.ts';
import { RefreshTokens } from './refresh-tokens.ts';
import { TokenSigner } from './signer.ts';

const SERVICE = 'registry.example';
const MINUTE = 60_000;
const repo = 'team/app' as RepositoryName;
const GRANTED: Granted = { repositories: [{ repo, actions: ['pull', 'create'] }], registry: ['catalog'] };

function setUp(pem?: string) {
  const test = testSigner('marina:test', pem);
  const passwords = new Map([['deployer', '1']]);
  const versions = new AccountVersions(({ kind, name }) => (kind === 'user' ? passwords.get(name) : undefined));
  const own = new OwnTokens({
    signer: test.signer,
    keys: test.ring,
    isService: (service) => service === SERVICE,
    versions,
    now: () => test.clock.now,
    lifetimeOf: () => 5 * MINUTE,
  });
  const refresh = new RefreshTokens({ signer: test.signer, versions, lifetime: 90 * 24 * 60 * MINUTE });
  const deployer: BoundIdentity = versions.bind({ kind: 'user', name: 'deployer' });
  return { ...test, passwords, versions, own, refresh, deployer };
}

async function issue(
  { own, deployer }: ReturnType<typeof setUp>,
  bound = deployer,
  service = SERVICE,
): Promise<string> {
  const signed = await own.issue(bound, GRANTED, service);
  if (signed === undefined) throw new Error('the token is too long');
  return signed.token;
}

async function reasonOf(answer: Authenticated | undefined | Promise<Authenticated | undefined>): Promise<string> {
  const found = await answer;
  return found?.kind === 'refused' ? found.reason : (found?.kind ?? 'none of ours');
}

describe('an own token', () => {
  for (const pem of [
    makeTokenKey(),
    generateKeyPairSync('ed25519', { privateKeyEncoding: { type: 'pkcs8', format: 'pem' } }).privateKey,
  ]) {
    test(`proves who holds it and what it allows (${pem.length > 150 ? 'EC' : 'Ed25519'})`, async () => {
      const world = setUp(pem);
      const found = await world.own.bearer(await issue(world));
      if (found?.kind !== 'known' || found.authority.kind !== 'own-token') throw new Error('it is not known');
      expect(found.authority.identity).toEqual({ kind: 'user', name: 'deployer' });
      const { grants } = found.authority;
      const other = 'team/other' as RepositoryName;
      const actions = ['pull', 'create', 'push', 'delete'] as const;
      expect(actions.filter((action) => grants.allows(action, repo))).toEqual(['pull', 'create']);
      expect(actions.filter((action) => grants.allows(action, other))).toEqual([]);
      expect(grants.allowsRegistry('catalog')).toBeTrue();
      expect(grants.allowsRegistry('admin')).toBeFalse();
    });
  }

  test('has the claims that other tools know', async () => {
    const world = setUp();
    const token = await issue(world);
    const { exp = 0, iat = 0, ...claims } = decodeJwt(token);
    expect(exp - iat).toBe(300);
    expect(claims).toMatchObject({
      iss: 'marina:test',
      aud: SERVICE,
      sub: 'user:deployer',
      nbf: iat,
      jti: 'id-1',
      access: [
        { type: 'repository', name: 'team/app', actions: ['pull', 'push'] },
        { type: 'registry', name: 'catalog', actions: ['*'] },
      ],
    });
    expect(decodeProtectedHeader(token)).toEqual({
      typ: 'JWT',
      alg: 'ES256',
      kid: (await world.ring.keys()).first.kid,
    });
  });

  test('is verified once, and then accepted synchronously, with the same authority', async () => {
    const world = setUp();
    const token = await issue(world);
    const first = await world.own.bearer(token);
    const second = world.own.bearer(token);
    expect(second).not.toBeInstanceOf(Promise);
    expect(second).toBe(first);
  });

  test('is valid for its lifetime and a minute of leeway, cached or not', async () => {
    const world = setUp();
    const [known, fresh] = [await issue(world), await issue(world)];
    await world.own.bearer(known);
    world.clock.now += 6 * MINUTE - 1_000;
    expect(await reasonOf(world.own.bearer(known))).toBe('known');
    world.clock.now += 1_000;
    expect(await reasonOf(world.own.bearer(known))).toBe('ERR_JWT_EXPIRED');
    expect(await reasonOf(world.own.bearer(fresh))).toBe('ERR_JWT_EXPIRED');
  });

  test('of a node whose clock is ahead by less than a minute is valid', async () => {
    const world = setUp();
    const token = await issue(world);
    world.clock.now -= 2 * MINUTE;
    expect(await reasonOf(world.own.bearer(token))).toBe('ERR_JWT_CLAIM_VALIDATION_FAILED');
    world.clock.now += MINUTE;
    expect(await reasonOf(world.own.bearer(token))).toBe('known');
  });

  test('becomes invalid with the password with which it was obtained, and with the account', async () => {
    const world = setUp();
    const token = await issue(world);
    expect(await reasonOf(world.own.bearer(token))).toBe('known');
    for (const version of ['2', undefined]) {
      if (version === undefined) world.passwords.delete('deployer');
      else world.passwords.set('deployer', version);
      expect(await reasonOf(world.own.bearer(token))).toBe('the account was removed, or its password has changed');
    }
    world.passwords.set('deployer', '1');
    expect(await reasonOf(world.own.bearer(token))).toBe('known');
  });

  test('of an identity without a password does not depend on one', async () => {
    const world = setUp();
    for (const identity of [{ kind: 'anonymous' }, { kind: 'certificate', commonName: 'ci' }] as const) {
      expect(await reasonOf(world.own.bearer(await issue(world, world.versions.bind(identity))))).toBe('known');
    }
  });

  test('stays valid after a key rotation as long as its key is in the file', async () => {
    const old = makeTokenKey();
    const world = setUp(old);
    const token = await issue(world);
    await world.own.bearer(token);
    world.file.value = setUp(makeTokenKey() + old).file.value;
    expect(await reasonOf(world.own.bearer(token))).toBe('known');
    expect(decodeProtectedHeader(await issue(world)).kid).not.toBe(decodeProtectedHeader(token).kid ?? '');
    world.file.value = setUp(makeTokenKey()).file.value;
    expect(await reasonOf(world.own.bearer(token))).toBe('ERR_JWKS_NO_MATCHING_KEY');
  });
});

describe('these are refused:', () => {
  test('a token for another service', async () => {
    const world = setUp();
    const token = await issue(world, world.deployer, 'other.example');
    expect(await reasonOf(world.own.bearer(token))).toBe('the token is for another service');
  });

  test('a refresh token as an access token, and the other way round', async () => {
    const world = setUp();
    const refreshToken = (await world.refresh.issue(world.deployer)) ?? '';
    expect(await world.refresh.redeem(refreshToken)).toEqual(world.deployer);
    expect(await reasonOf(world.own.bearer(refreshToken))).toBe('ERR_JWT_CLAIM_VALIDATION_FAILED');
    expect(await world.refresh.redeem(await issue(world))).toBeUndefined();
  });

  test('a changed payload, header or signature', async () => {
    const world = setUp();
    const token = await issue(world);
    const [header = '', payload = '', signature = ''] = token.split('.');
    const wider = Buffer.from(JSON.stringify({ ...decodeJwt(token), sub: 'user:admin' })).toString('base64url');
    expect(await reasonOf(world.own.bearer([header, wider, signature].join('.')))).toBe(
      'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
    );
    for (const other of [`${header}.${payload}.`, `${header}.${payload}.${signature.slice(2)}AA`]) {
      expect(await reasonOf(world.own.bearer(other))).not.toBe('known');
    }
  });

  test('every algorithm but that of the key', async () => {
    const world = setUp();
    const token = await issue(world);
    const { kid, publicKey } = (await world.ring.keys()).first;
    const [, payload = ''] = token.split('.');
    const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    // The public key, which is not secret, as the key of an HMAC.
    const signing = `${encode({ typ: 'JWT', alg: 'HS256', kid })}.${payload}`;
    const pem = publicKey.export({ type: 'spki', format: 'pem' });
    const hmac = createHmac('sha256', pem).update(signing).digest('base64url');
    const forged = [
      `${signing}.${hmac}`,
      `${encode({ typ: 'JWT', alg: 'none', kid })}.${payload}.`,
      `${encode({ typ: 'JWT', alg: 'EdDSA', kid })}.${payload}.${token.split('.')[2]}`,
    ];
    for (const each of forged) expect(await reasonOf(world.own.bearer(each))).toMatch(/^ERR_J/);
  });

  test('a key that the token itself contains, names or points to', async () => {
    const world = setUp();
    const { kid } = (await world.ring.keys()).first;
    const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = await exportJWK(foreign.publicKey);
    const headers = [
      { jwk },
      { jwk, kid },
      { kid: '../../etc/passwd' },
      { jku: 'https://evil.example/keys', kid },
      { x5u: 'x', kid },
    ];
    for (const header of headers) {
      const token = await new SignJWT(decodeJwt(await issue(world)))
        .setProtectedHeader({ typ: 'JWT', alg: 'ES256', ...header })
        .sign(foreign.privateKey);
      expect(await reasonOf(world.own.bearer(token))).toMatch(
        /^ERR_JWS_SIGNATURE_VERIFICATION_FAILED$|^ERR_JWKS_NO_MATCHING_KEY$/,
      );
    }
  });

  test('`crit`, even of an extension that the library knows', async () => {
    const world = setUp();
    const { kid, privateKey } = (await world.ring.keys()).first;
    const token = await new SignJWT(decodeJwt(await issue(world)))
      .setProtectedHeader({ typ: 'JWT', alg: 'ES256', kid, b64: true, crit: ['b64'] })
      .sign(privateKey);
    expect(await reasonOf(world.own.bearer(token))).toBe('ERR_JWKS_NO_MATCHING_KEY');
  });

  test('a token with the right signature that lacks a claim, or has one of a later version', async () => {
    const world = setUp();
    const { kid, privateKey } = (await world.ring.keys()).first;
    const whole = decodeJwt(await issue(world));
    const sign = (claims: object): Promise<string> =>
      new SignJWT({ ...claims }).setProtectedHeader({ typ: 'JWT', alg: 'ES256', kid }).sign(privateKey);
    expect(await reasonOf(world.own.bearer(await sign(whole)))).toBe('known');
    for (const name of ['aud', 'exp', 'nbf', 'iat', 'sub', 'jti']) {
      const { [name]: _, ...rest } = whole;
      expect(await reasonOf(world.own.bearer(await sign(rest)))).toBe('ERR_JWT_CLAIM_VALIDATION_FAILED');
    }
    for (const claims of [{ aud: [SERVICE] }, { access: [{ type: 'repository' }] }, { marina: {} }]) {
      expect(await reasonOf(world.own.bearer(await sign({ ...whole, ...claims })))).toStartWith('the token ');
    }
  });
});

test('tokens of other issuers are left to other authenticators, synchronously', async () => {
  const world = setUp();
  const { signer: foreign } = testSigner('https://idp.example');
  const { token } = await foreign.sign(accessClaimsOf(GRANTED, world.deployer), {
    type: 'JWT',
    audience: SERVICE,
    subject: 'user:deployer',
    lifetime: MINUTE,
  });
  for (const other of [token, '', 'a.b.c', 'marina_rt_secret', 'x'.repeat(100_000), `${await issue(world)}.x.y`]) {
    expect(world.own.bearer(other)).toBeUndefined();
  }
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => expect(world.own.bearer(text)).toBeUndefined()));
});

test("registries with the same key do not accept each other's tokens", async () => {
  const pem = makeTokenKey();
  const world = setUp(pem);
  const other = testSigner('marina:other', pem);
  expect(other.signer).toBeInstanceOf(TokenSigner);
  const { token } = await other.signer.sign(accessClaimsOf(GRANTED, world.deployer), {
    type: 'JWT',
    audience: SERVICE,
    subject: 'user:deployer',
    lifetime: MINUTE,
  });
  expect(world.own.bearer(token)).toBeUndefined();
});

test('a token that is too long for a header is not issued', async () => {
  const world = setUp();
  const identity = { kind: 'oidc', issuer: 'idp', subject: 'x', claims: { groups: ['g'.repeat(12_000)] } } as const;
  expect(await world.own.issue(world.versions.bind(identity), GRANTED, SERVICE)).toBeUndefined();
});

describe('a refresh token', () => {
  test('is issued only to accounts', async () => {
    const { refresh, versions } = setUp();
    const others = [
      { kind: 'anonymous' },
      { kind: 'certificate', commonName: 'ci' },
      { kind: 'oidc', issuer: 'idp', subject: 'x', claims: {} },
    ] as const;
    for (const identity of others) expect(await refresh.issue(versions.bind(identity))).toBeUndefined();
  });

  test('becomes invalid with the password, the account, its key and its lifetime', async () => {
    const world = setUp();
    const token = (await world.refresh.issue(world.deployer)) ?? '';
    expect(await world.refresh.redeem(token)).toEqual(world.deployer);
    world.passwords.set('deployer', '2');
    expect(await world.refresh.redeem(token)).toBeUndefined();
    world.passwords.delete('deployer');
    expect(await world.refresh.redeem(token)).toBeUndefined();
    world.passwords.set('deployer', '1');
    const keys = world.file.value;
    world.file.value = setUp().file.value;
    expect(await world.refresh.redeem(token)).toBeUndefined();
    world.file.value = keys;
    expect(await world.refresh.redeem(token)).toEqual(world.deployer);
    world.clock.now += 91 * 24 * 60 * MINUTE;
    expect(await world.refresh.redeem(token)).toBeUndefined();
  });

  test('is not accepted in any other form, and nothing throws', async () => {
    const { refresh } = setUp();
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), async (text) => {
        expect(await refresh.redeem(text)).toBeUndefined();
      }),
    );
    expect(await refresh.redeem('x'.repeat(100_000))).toBeUndefined();
  });
});
