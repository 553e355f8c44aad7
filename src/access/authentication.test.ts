import { describe, expect, test } from 'bun:test';
import { Authentication } from './authentication.ts';
import type { Authenticated, BasicAuthenticator, MaybeAsync } from './authenticator.ts';

const ORIGIN = { address: '192.0.2.1' };
const KNOWN: Authenticated = {
  kind: 'known',
  authority: { kind: 'identity', identity: { kind: 'user', name: 'me' } },
};
const WRONG: Authenticated = { kind: 'refused', reason: 'wrong password' };

/** Gives these answers, and counts how often it was asked. */
function authenticator(answer: MaybeAsync<Authenticated | undefined>): BasicAuthenticator & { asked: number } {
  return {
    asked: 0,
    basic() {
      this.asked++;
      return answer;
    },
  };
}

describe('several authenticators', () => {
  test('are tried in order: the first that recognizes the credentials decides', () => {
    const last = authenticator(KNOWN);
    const chain = new Authentication([authenticator(undefined), authenticator(WRONG), last], []);
    expect(chain.basic('me', 'secret', ORIGIN)).toEqual(WRONG);
    expect(last.asked).toBe(0);
  });

  test('are tried further after one that returned a promise', async () => {
    const first = authenticator(Promise.resolve(undefined));
    const chain = new Authentication([first, authenticator(undefined), authenticator(KNOWN)], []);
    expect(await chain.basic('me', 'secret', ORIGIN)).toEqual(KNOWN);
    expect(first.asked).toBe(1);
  });

  test('answer synchronously for a cached caller', () => {
    const chain = new Authentication([authenticator(undefined), authenticator(KNOWN)], []);
    expect(chain.basic('me', 'secret', ORIGIN)).toBe(KNOWN);
  });
});

test('credentials that no authenticator recognizes are refused', () => {
  const chain = new Authentication([authenticator(undefined)], []);
  expect(chain.basic('me', 'secret', ORIGIN)).toMatchObject({ kind: 'refused' });
  expect(chain.bearer('token', ORIGIN)).toMatchObject({ kind: 'refused' });
});
