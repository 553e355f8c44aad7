import { expect, test } from 'bun:test';
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { FileProblem } from '../reloaded-file.ts';
import { KeyRing, makeTokenKey, parsePrivateKeys } from './keys.ts';

const pkcs8 = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const ed25519 = (): KeyObject => generateKeyPairSync('ed25519').privateKey;
const ec = (namedCurve: string): KeyObject => generateKeyPairSync('ec', { namedCurve }).privateKey;

function problemWith(pem: string): string {
  try {
    parsePrivateKeys(pem);
  } catch (error) {
    if (error instanceof FileProblem) return error.message;
    throw error;
  }
  return 'none';
}

test('a file has EC P-256 and Ed25519 keys in any form of PEM, and text between them', () => {
  const sec1 = ec('P-256').export({ type: 'sec1', format: 'pem' }).toString();
  const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n';
  const pem = `made in May\n${makeTokenKey()}\n# the old one\n${pkcs8(ed25519())}${parameters}${sec1.replaceAll('\n', '\r\n')}`;
  expect(parsePrivateKeys(pem).map(({ algorithm }) => algorithm)).toEqual(['ES256', 'EdDSA', 'ES256']);
});

test('other files are refused in one line that shows none of their content', () => {
  const good = makeTokenKey();
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const encrypted = ec('P-256')
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
    .toString();
  const expected = 'an EC P-256 or Ed25519 private key (PEM, not encrypted) is expected';
  const cases: readonly (readonly [pem: string, problem: string])[] = [
    ['', `it has no key: ${expected}`],
    ['hunter2', `it has no key: ${expected}`],
    [good.slice(0, -20), `it has no key: ${expected}`],
    [
      `${good}-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----`,
      `key 2 of 2 cannot be read: ${expected}`,
    ],
    [
      generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      `key 1 of 1 cannot be read: ${expected}`,
    ],
    [encrypted, `key 1 of 1 cannot be read: ${expected}`],
    [good + pkcs8(rsa), `key 2 of 2 is of another kind: ${expected}`],
    [pkcs8(ec('P-384')), `key 1 of 1 is of another kind: ${expected}`],
    [pkcs8(generateKeyPairSync('x25519').privateKey), `key 1 of 1 is of another kind: ${expected}`],
    [good.repeat(17), 'it has more than 16 keys'],
  ];
  for (const [pem, problem] of cases) expect(problemWith(pem)).toBe(problem);
});

test('the kid of a key is its RFC 7638 thumbprint, so it is the same on every node', async () => {
  // The key of RFC 8037, appendix A; its thumbprint is in A.3.
  const key = createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'OKP',
      crv: 'Ed25519',
      d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
      x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
    },
  });
  const { first, byId } = await new KeyRing({ value: parsePrivateKeys(pkcs8(key) + makeTokenKey()) }).keys();
  expect(first.kid).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
  expect([...byId.values()].map(({ algorithm }) => algorithm)).toEqual(['EdDSA', 'ES256']);
});

test('a ring has the current keys of its file, and computes their thumbprints once', async () => {
  const file = { value: parsePrivateKeys(makeTokenKey()) };
  const ring = new KeyRing(file);
  const before = await ring.keys();
  expect(await ring.keys()).toBe(before);
  file.value = parsePrivateKeys(makeTokenKey());
  expect(ring.current).toBe(file.value);
  expect((await ring.keys()).first.kid).not.toBe(before.first.kid);
});
