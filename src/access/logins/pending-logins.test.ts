import { beforeEach, describe, expect, test } from 'bun:test';
import { ulid } from 'ulid';
import { MemoryDriver } from '../../storage/memory/driver.ts';
import { newProofs } from '../oidc/code-flow.ts';
import { AccountVersions } from '../tokens/account-versions.ts';
import { KeyRing, makeTokenKey, parsePrivateKeys } from '../tokens/keys.ts';
import { TokenSigner } from '../tokens/signer.ts';
import { StoredEndedLogins } from './ended-logins.ts';
import { Logins } from './logins.ts';
import { type PendingLogin, PendingLogins } from './pending-logins.ts';

const MINUTE = 60_000;
const file = { value: parsePrivateKeys(makeTokenKey()) };
const PENDING: PendingLogin = {
  issuer: 'idp',
  redirectUri: 'https://registry.example/ui/login/with/idp/done',
  to: '/ui/repositories/team/app',
  proofs: newProofs(),
};

let now: number;
beforeEach(() => {
  now = Date.UTC(2026, 10, 28);
});

function signer(issuer = 'marina:store'): TokenSigner {
  return new TokenSigner({ keys: new KeyRing(file), issuer, now: () => now, newId: () => ulid() });
}

/** As one node or thread sees them. */
function node(issuer?: string): PendingLogins {
  return new PendingLogins(signer(issuer), 10 * MINUTE);
}

describe('a log-in that goes on at an issuer', () => {
  test('can be finished on any node, for ten minutes and what clocks may differ', async () => {
    const token = await node().sign(PENDING);
    expect(await node().read(token)).toEqual(PENDING);
    now += 10 * MINUTE;
    expect(await node().read(token)).toEqual(PENDING);
    now += 2 * MINUTE;
    expect(await node().read(token)).toBeUndefined();
  });

  test('is not one of another registry with the same key, and other texts are none', async () => {
    const token = await node('marina:other').sign(PENDING);
    const [head, payload, signature] = token.split('.');
    for (const text of [token, '', 'x', 'a.b.c', `${head}.${payload}.x${signature}`, 'a'.repeat(20_000)])
      expect(await node().read(text)).toBeUndefined();
  });

  test('is no log-in, and a log-in is none of these', async () => {
    const versions = new AccountVersions(() => 'first');
    const logins = new Logins({
      ...{ signer: signer(), keys: new KeyRing(file), versions, issuerUrlOf: () => 'https://idp.example' },
      ended: new StoredEndedLogins(new MemoryDriver(), () => now),
      ...{ now: () => now, lifetime: 12 * 60 * MINUTE },
    });
    expect(await logins.find(await node().sign(PENDING))).toBeUndefined();
    expect(await node().read(await logins.begin(versions.bind({ kind: 'user', name: 'alice' })))).toBeUndefined();
  });

  test('has proofs that nobody else has', () => {
    const all = Array.from({ length: 100 }, newProofs).flatMap((proofs) => Object.values(proofs));
    expect(new Set(all).size).toBe(300);
    for (const each of all) expect(each).toMatch(/^[\w-]{43}$/);
  });
});
