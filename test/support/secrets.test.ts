import { expect, test } from 'bun:test';
import { newSecret } from '../../src/access/robots/secret.ts';
import { secret, secretsIn } from './secrets.ts';

test('secrets are found in a log, by their form or because the test used them, and are not repeated', () => {
  const password = secret('pa"ss & wörd of this test');
  const jwt = `${Buffer.from('{"alg":"ES256"}').toString('base64url')}.${Buffer.from('{"sub":"user:me"}').toString('base64url')}.c2ln`;
  const samples = [
    newSecret(),
    jwt,
    `Authorization: Basic ${Buffer.from('user:password').toString('base64')}`,
    'authorization":"0123456789abcdef',
    'Location: /x?X-Amz-Signature=0123',
    '-----BEGIN EC PRIVATE KEY-----',
    password,
    JSON.stringify({ password }),
    `/token?password=${encodeURIComponent(password)}`,
  ];
  for (const sample of samples) {
    const found = secretsIn(`{"msg":"request"}\n{"level":30,"text":"${sample}"}\n`);
    expect([sample, found.length > 0]).toEqual([sample, true]);
    expect(found.join('\n')).not.toContain(sample.slice(-8));
  }
});

test('ordinary lines have none', () => {
  const lines = [
    '{"level":30,"actor":"robot:ci","path":"/v2/","route":"ping","status":401,"msg":"request"}',
    '{"level":40,"reason":"the password does not have the form of a secret of a robot: it may be mistyped or truncated"}',
    '{"level":30,"reason":"basic credentials are malformed"}',
    'bearer tokens: JWSSignatureVerificationFailed',
    `sha256:${'0123456789abcdef'.repeat(4)}`,
  ];
  expect(secretsIn(lines.join('\n'))).toEqual([]);
});
