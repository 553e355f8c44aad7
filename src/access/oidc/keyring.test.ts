import { beforeEach, describe, expect, test } from 'bun:test';
import { eventually } from '../../../test/support/eventually.ts';
import { type IssuerKey, issuerKey } from '../../../test/support/oidc-issuer.ts';
import type { Issuer } from '../rules/issuer.ts';
import { IssuerProblem } from './issuer-problem.ts';
import { type KeySet, parseKeySet } from './key-set.ts';
import { Keyring, type KeysReply, RemoteKeys } from './keyring.ts';

const CI: Issuer = {
  ...{ name: 'ci', issuer: 'https://idp.example', audience: 'registry.example' },
  jwks: { kind: 'discover' },
};
const MINUTE = 60_000;
const [first, second] = [await issuerKey('RS256', 'first'), await issuerKey('ES256', 'second')];

let clock: number;
let keys: readonly IssuerKey[] | undefined;
let loads: number;
let keyring: Keyring;
/** What the owner of the keys sent. */
let replies: KeysReply['kind'][];

beforeEach(() => {
  clock = 0;
  keys = [first];
  loads = 0;
  replies = [];
  keyring = new Keyring({
    load: async ({ issuer }) => {
      loads++;
      await Bun.sleep(1);
      if (keys === undefined) throw new IssuerProblem('it is down');
      return parseKeySet({ keys: keys.map(({ jwk }) => jwk) }, issuer);
    },
    monotonic: () => clock,
    logger: { info: () => undefined, warn: () => undefined, error: () => expect.unreachable() },
  });
});

/** Keys as another thread has them: everything that it sends and gets is cloned. */
function onThread(issuer = CI): RemoteKeys {
  const { current, newest } = keyring.service;
  const cloned = async (reply: Promise<KeysReply>): Promise<KeysReply> => {
    replies.push((await reply).kind);
    return structuredClone(await reply);
  };
  return new RemoteKeys(issuer, {
    current: (each, known) => cloned(current(structuredClone(each), known)),
    newest: (each, known) => cloned(newest(structuredClone(each), known)),
  });
}

const idsOf = (found: KeySet | undefined): readonly (string | undefined)[] | undefined =>
  found?.members.map(({ kid }) => kid);

describe('the keys of an issuer', () => {
  test('are loaded once for all threads, and sent to each thread once', async () => {
    const threads = [onThread(), onThread(), onThread()];
    const found = await Promise.all([keyring.of(CI), ...threads].map((each) => each.current()));
    expect(found.map(idsOf)).toEqual(found.map(() => ['first']));
    const again = await Promise.all(threads.map((each) => each.current()));
    // The same object, so that tokens which it verified need not be verified again.
    for (const [at, each] of again.entries()) expect(each).toBe(found[at + 1]);
    expect([loads, replies]).toEqual([1, ['other', 'other', 'other', 'same', 'same', 'same']]);
  });

  test('are loaded again after ten minutes, by the first thread that needs them', async () => {
    const [one, other] = [onThread(), onThread()];
    await one.current();
    keys = [second];
    clock = 10 * MINUTE;
    // The last keys are used meanwhile.
    expect(idsOf(await other.current())).toEqual(['first']);
    await eventually(async () => expect(idsOf(await one.current())).toEqual(['second']));
    expect(idsOf(await other.current())).toEqual(['second']);
    expect(loads).toBe(2);
  });

  test('are searched for a new one at most once a minute by all threads together', async () => {
    const threads = [onThread(), onThread(), onThread()] as const;
    const known = await Promise.all(threads.map((each) => each.current()));
    keys = [first, second];
    clock = MINUTE;
    for (const [at, each] of threads.entries()) {
      const before = known[at] ?? expect.unreachable();
      expect(idsOf(await each.otherThan(before))).toEqual(['first', 'second']);
      const now = (await each.current()) ?? expect.unreachable();
      expect(await each.otherThan(now)).toBeUndefined();
    }
    expect(loads).toBe(2);
  });

  test('that cannot be loaded are none on every thread, and issuers do not share keys', async () => {
    keys = undefined;
    const [one, other] = [onThread(), onThread()];
    expect(await Promise.all([one.current(), other.current()])).toEqual([undefined, undefined]);
    expect(loads).toBe(1);
    keys = [second];
    expect(idsOf(await onThread({ ...CI, issuer: 'https://other.example' }).current())).toEqual(['second']);
    expect(await one.current()).toBeUndefined();
  });

  test('verify a token on the thread that got them', async () => {
    const found = (await onThread().current()) ?? expect.unreachable();
    const key = await found({ alg: 'RS256', kid: 'first' }, { payload: '', signature: '' });
    expect(key).toMatchObject({ type: 'public' });
  });
});
