import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { eventually } from '../../../test/support/eventually.ts';
import { approve } from '../../../test/support/issuer-logins.ts';
import { type OidcIssuer, startIssuer } from '../../../test/support/oidc-issuer.ts';
import { cleanUp, temporaryFolder } from '../../../test/support/server.ts';
import { Keyring } from '../oidc/keyring.ts';
import { loadKeys } from '../oidc/load-keys.ts';
import { OidcTokens } from '../oidc/oidc-tokens.ts';
import type { Issuer } from '../rules/issuer.ts';
import { KeyRing, makeTokenKey, parsePrivateKeys } from '../tokens/keys.ts';
import { TokenSigner } from '../tokens/signer.ts';
import { type Finished, IssuerLogins } from './issuer-logins.ts';
import { PendingLogins } from './pending-logins.ts';

const REDIRECT = 'http://127.0.0.1:5000/ui/login/with/idp/done';
const CONFIGURATION = '/.well-known/openid-configuration';
const secretFile = join(temporaryFolder('client'), 'secret');
const PENDING = { issuer: 'idp', redirectUri: REDIRECT, to: '/ui/' };

let issuer: OidcIssuer;
let issuers: Issuer[];
let clock: number;
let warnings: string[];
let logins: IssuerLogins;
beforeAll(async () => {
  issuer = await startIssuer();
  issuer.logins.clients.push({ clientId: 'marina', secret: 'a secret', redirectUris: [REDIRECT] });
});
beforeEach(() => {
  issuer.answer = () => undefined;
  writeFileSync(secretFile, 'a secret\n');
  const web = { clientId: 'marina', clientSecretFile: secretFile, scopes: ['openid'] };
  issuers = [{ name: 'idp', issuer: issuer.url, audience: 'registry', jwks: { kind: 'discover' }, web }];
  clock = 0;
  warnings = [];
  logins = open();
});
afterAll(async () => {
  await issuer.stop();
  await cleanUp();
});

function open(): IssuerLogins {
  const monotonic = () => clock;
  const logger = {
    ...{ info: () => {}, error: () => {} },
    warn: (fields: object) => void warnings.push(JSON.stringify(fields)),
  };
  const keyring = new Keyring({ load: loadKeys, monotonic, logger });
  const rules = () => ({ issuers, claimsNeeded: () => ['groups'] });
  const signer = new TokenSigner({
    ...{ keys: new KeyRing({ value: parsePrivateKeys(makeTokenKey()) }), issuer: 'marina:store' },
    ...{ now: Date.now, newId: () => ulid() },
  });
  const tokens = new OidcTokens({ rules, keysOf: (each) => keyring.of(each), now: Date.now });
  return new IssuerLogins({ rules, tokens, pending: new PendingLogins(signer, 600_000), monotonic, logger });
}

interface BegunLogin {
  readonly token: string;
  readonly answer: URLSearchParams;
}

/** Begins a log-in, and presses the button at the issuer. */
async function begin(): Promise<BegunLogin> {
  const begun = await logins.begin(PENDING);
  if (begun.kind !== 'begun') throw new Error(`it did not begin: ${begun.kind}`);
  return { token: begun.token, answer: new URL(await approve(begun.address)).searchParams };
}

async function finish({ token, answer }: BegunLogin, client?: string): Promise<Finished> {
  return await logins.finish('idp', token, answer, client);
}

describe('a log-in with an issuer', () => {
  test('gives the subject, the claims that rules need, and the page that was wanted', async () => {
    issuer.logins.person = { sub: 'ann', groups: ['dev'], name: ' Ann ', preferred_username: 7 };
    const identity = { kind: 'oidc', issuer: 'idp', subject: 'ann', claims: { groups: ['dev'] } } as const;
    expect(await finish(await begin())).toEqual({ kind: 'known', identity, name: 'Ann', to: '/ui/' });
  });

  test('loads the endpoints once in ten minutes', async () => {
    const before = issuer.asked[CONFIGURATION] ?? 0;
    await Promise.all(Array.from({ length: 20 }, () => logins.begin(PENDING)));
    expect((issuer.asked[CONFIGURATION] ?? 0) - before).toBe(1);
    clock += 10 * 60_000;
    // Nobody waits for the second load.
    expect((await logins.begin(PENDING)).kind).toBe('begun');
    await eventually(() => expect((issuer.asked[CONFIGURATION] ?? 0) - before).toBe(2));
  });

  test('reads the secret again each time, and says which file has none', async () => {
    const [first, second] = [await begin(), await begin()];
    rmSync(secretFile);
    expect(await finish(first)).toEqual({
      ...{ kind: 'unavailable', to: '/ui/' },
      reason: `issuer idp: ${secretFile} cannot be used: there is no such file`,
    });
    writeFileSync(secretFile, 'wrong');
    expect(await finish(second)).toMatchObject({ kind: 'refused', reason: expect.stringContaining('invalid_client') });
  });

  test('ends when the issuer loses its client meanwhile', async () => {
    const begun = await begin();
    issuers = issuers.map(({ web: _, ...each }) => each);
    expect(await finish(begun)).toEqual({ kind: 'stale' });
    expect([await logins.begin(PENDING), logins.names]).toEqual([{ kind: 'unknown' }, []]);
  });

  test('waits for the issuer with at most 16 others, and more are told to come back', async () => {
    const begun = await Promise.all(Array.from({ length: 20 }, begin));
    const { promise, resolve } = Promise.withResolvers<void>();
    issuer.answer = async (path) => {
      if (path === '/token') await promise;
      return undefined;
    };
    const finished = begun.map((each, index) => finish(each, `192.0.2.${index % 5}`));
    const early = await Promise.race(finished);
    expect(early).toEqual({ kind: 'busy', to: '/ui/' });
    resolve();
    const kinds = (await Promise.all(finished)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'known')).toHaveLength(16);
    expect(kinds.filter((kind) => kind === 'busy')).toHaveLength(4);
    expect((await finish(await begin())).kind).toBe('known');
  });

  test('of one client leaves room for those of others, and can be finished by the same answer later', async () => {
    const begun = await Promise.all(Array.from({ length: 6 }, begin));
    const { promise, resolve } = Promise.withResolvers<void>();
    issuer.answer = async (path) => {
      if (path === '/token') await promise;
      return undefined;
    };
    // A client is a /64 network of IPv6.
    const flood = begun.slice(0, 5).map((each, index) => finish(each, `2001:db8::${index + 1}`));
    expect((await Promise.race(flood)).kind).toBe('busy');
    const other = begun.slice(5).map((each) => finish(each, '192.0.2.1'));
    resolve();
    expect((await Promise.all(other)).map(({ kind }) => kind)).toEqual(['known']);
    const kinds = (await Promise.all(flood)).map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'known')).toHaveLength(4);
    const [refused] = begun.filter((_, index) => kinds[index] === 'busy');
    if (refused === undefined) throw new Error('none was refused');
    expect((await finish(refused, '2001:db8::9')).kind).toBe('known');
  });
});

describe('an issuer is not used', () => {
  const REMOTE = 'http://192.0.2.1/authorize';
  test.each<[string, () => Readonly<Record<string, unknown>>, string]>([
    ['without endpoints', () => ({ issuer: issuer.url }), 'has no authorization_endpoint and token_endpoint'],
    [
      'whose page is not behind TLS',
      () => ({ issuer: issuer.url, ...issuer.logins.endpoints(issuer.url), authorization_endpoint: REMOTE }),
      'the authorization_endpoint in',
    ],
    [
      'whose token endpoint is not behind TLS',
      () => ({ issuer: issuer.url, ...issuer.logins.endpoints(issuer.url), token_endpoint: REMOTE }),
      'the token_endpoint in',
    ],
    ['that says that it is another', () => ({ ...issuer.logins.endpoints(issuer.url), issuer: 'x' }), 'another issuer'],
  ])('%s', async (_, document, reason) => {
    issuer.answer = (path) => (path === CONFIGURATION ? Response.json(document()) : undefined);
    expect(await logins.begin(PENDING)).toEqual({ kind: 'unavailable' });
    expect(warnings.join()).toContain(reason);
    issuer.answer = () => undefined;
    clock += 5_000;
    expect((await logins.begin(PENDING)).kind).toBe('begun');
  });
});
