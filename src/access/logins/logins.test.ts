import { beforeEach, describe, expect, test } from 'bun:test';
import { ulid } from 'ulid';
import { MemoryDriver } from '../../storage/memory/driver.ts';
import { ENDED_LOGINS } from '../../storage/paths.ts';
import { AccountVersions } from '../tokens/account-versions.ts';
import type { BoundIdentity } from '../tokens/claims.ts';
import { KeyRing, makeTokenKey, parsePrivateKeys } from '../tokens/keys.ts';
import { TokenSigner } from '../tokens/signer.ts';
import { StoredEndedLogins } from './ended-logins.ts';
import { Logins } from './logins.ts';

const HOUR = 3_600_000;
const ALICE = { kind: 'user', name: 'alice' } as const;
const file = { value: parsePrivateKeys(makeTokenKey()) };

let now: number;
let version: string | undefined;
let driver: MemoryDriver;
let versions: AccountVersions;
let issuerUrl: string | undefined;

/** The log-ins as one node or thread sees them. */
function node(issuer = 'marina:store'): Logins {
  const keys = new KeyRing(file);
  const signer = new TokenSigner({ keys, issuer, now: () => now, newId: () => ulid() });
  const ended = new StoredEndedLogins(driver, () => now);
  return new Logins({
    signer,
    keys,
    versions,
    issuerUrlOf: () => issuerUrl,
    ended,
    now: () => now,
    lifetime: 12 * HOUR,
  });
}

function bound(): BoundIdentity {
  return versions.bind(ALICE);
}

beforeEach(() => {
  now = Date.UTC(2026, 10, 28);
  version = 'first';
  issuerUrl = 'https://idp.example';
  driver = new MemoryDriver();
  versions = new AccountVersions(() => version);
});

describe('a log-in', () => {
  test('is known to every node for 12 hours', async () => {
    const token = await node().begin(bound());
    const other = node();
    const found = await other.find(token);
    expect(found?.authority).toEqual({ kind: 'identity', identity: ALICE });
    now += 12 * HOUR - 1_000;
    expect((await other.find(token)) === found).toBe(true);
    now += 1_000;
    expect(await other.find(token)).toBeUndefined();
    expect(await node().find(token)).toBeUndefined();
  });

  test('ends on every node when the person logs out, and others last', async () => {
    const [one, other] = [node(), node()];
    const [token, second] = [await one.begin(bound()), await one.begin(bound())];
    expect(await other.find(token)).toBeDefined();
    await one.end(token);
    for (const each of [one, other, node()]) {
      expect(await each.find(token)).toBeUndefined();
      expect(await each.find(second)).toBeDefined();
    }
  });

  test('ends with the password', async () => {
    const logins = node();
    const token = await logins.begin(bound());
    version = 'second';
    expect(await logins.find(token)).toBeUndefined();
    version = undefined;
    expect(await logins.find(token)).toBeUndefined();
  });

  test('with an issuer ends when the issuer is removed, or has another URL', async () => {
    const identity = { kind: 'oidc', issuer: 'idp', subject: 'a', claims: { groups: ['dev'] } } as const;
    const logins = node();
    const token = await logins.begin(versions.bind(identity));
    expect((await node().find(token))?.authority).toEqual({ kind: 'identity', identity });
    issuerUrl = 'https://other.example';
    expect(await logins.find(token)).toBeUndefined();
    issuerUrl = undefined;
    expect(await logins.find(token)).toBeUndefined();
    expect(await logins.find(await logins.begin(versions.bind(identity)))).toBeUndefined();
  });

  test('is not one of another registry with the same key, and other texts are none', async () => {
    const token = await node('marina:other').begin(bound());
    const logins = node();
    for (const text of [token, '', 'x', 'a.b.c', 'a'.repeat(20_000)]) expect(await logins.find(text)).toBeUndefined();
    await logins.end('x');
  });
});

test('log-outs of log-ins that would have expired by now are removed', async () => {
  const logins = node();
  for (let each = 0; each < 3; each++) await logins.end(await logins.begin(bound()));
  expect(await countEnded()).toBe(3);
  now += 13 * HOUR;
  await logins.end(await logins.begin(bound()));
  expect(await countEnded()).toBe(1);
});

async function countEnded(): Promise<number> {
  let count = 0;
  for await (const _ of driver.list(ENDED_LOGINS)) count++;
  return count;
}
