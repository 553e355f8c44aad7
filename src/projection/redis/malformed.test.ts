import { expect, test } from 'bun:test';
import { RedisGone, ScriptFailed } from './commands.ts';
import { ignoreLost, MalformedView } from './malformed.ts';

test('only errors after which a key has expired or is discarded are ignored', () => {
  for (const lost of [new RedisGone('no answer'), new ScriptFailed('a wrong type'), new MalformedView('no digest')]) {
    expect(() => ignoreLost(lost)).not.toThrow();
  }
  const defect = new TypeError('undefined is not a function');
  expect(() => ignoreLost(defect)).toThrow(defect);
});
