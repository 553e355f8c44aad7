import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import fc from 'fast-check';
import { parseBundle, trustedLeaf } from '../../src/access/token-server/certificates.ts';
import { CA, type Certificate, type CertificateOptions, makeCertificate } from '../support/certificates.ts';
import { cleanUp } from '../support/server.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const DAY = 24 * 60 * 60 * 1_000;
let root: Certificate;
let other: Certificate;
let between: Certificate;
let leaf: Certificate;

beforeAll(async () => {
  root = await makeCertificate('root', { extensions: CA, days: 60 });
  other = await makeCertificate('root', { extensions: CA });
  between = await makeCertificate('between', { extensions: CA, issuer: root });
  leaf = await makeCertificate('leaf', { issuer: between });
});

/** Why a chain is not trusted; undefined if it is. */
function problem(chain: readonly Certificate[], bundle: readonly Certificate[], inDays = 0): string | undefined {
  const certificates = parseBundle(bundle.map(({ pem }) => pem).join('\n'));
  const found = trustedLeaf(
    chain.map(({ der }) => der),
    certificates,
    Date.now() + inDays * DAY,
  );
  return typeof found === 'string' ? found : undefined;
}

const issued = (name: string, options: CertificateOptions) => makeCertificate(name, options);

describe('a certificate is trusted', () => {
  test('that is in the bundle, with or without the CA flag', async () => {
    const self = await makeCertificate('self');
    expect(problem([self], [other, self])).toBeUndefined();
    expect(problem([root], [root])).toBeUndefined();
  });

  test('that was issued by a certificate of the bundle, directly or through one intermediate CA', async () => {
    expect(problem([await issued('direct', { issuer: root })], [root])).toBeUndefined();
    expect(problem([leaf, between], [root])).toBeUndefined();
    expect(problem([leaf, between, root], [other, root])).toBeUndefined();
    expect(problem([leaf], [between])).toBeUndefined();
  });

  test.each(['rsa', 'ed25519', 'ec'] as const)('with a key of %s', async (key) => {
    expect(problem([await issued('direct', { issuer: root, key })], [root])).toBeUndefined();
  });

  test('for any usage', async () => {
    const extensions = ['basicConstraints=CA:false', 'extendedKeyUsage=serverAuth'];
    expect(problem([await issued('server', { issuer: root, extensions })], [root])).toBeUndefined();
  });
});

describe('a certificate is not trusted', () => {
  const UNTRUSTED = 'was not issued by a trusted and valid certificate';

  test('without its intermediate CA, or with a root of the same name', () => {
    expect(problem([leaf], [root])).toContain(UNTRUSTED);
    expect(problem([leaf, between], [other])).toContain(UNTRUSTED);
    expect(problem([leaf, between, other], [root])).toBeUndefined();
    expect(problem([other], [root])).toContain(UNTRUSTED);
  });

  test('that was not issued by a CA', async () => {
    const noCa = await issued('no CA', { issuer: root });
    const below = await issued('below', { issuer: noCa });
    expect(problem([below, noCa], [root])).toContain(UNTRUSTED);
    expect(problem([below], [noCa])).toContain(UNTRUSTED);
  });

  test('with two intermediate CAs', async () => {
    const second = await issued('second', { extensions: CA, issuer: between });
    const below = await issued('below', { issuer: second });
    expect(problem([below, second, between], [root])).toContain(UNTRUSTED);
    expect(problem([below, second], [between])).toBeUndefined();
  });

  test('only because another certificate of the chain is', async () => {
    expect(problem([other, leaf, between], [root])).toContain(UNTRUSTED);
    expect(problem([await makeCertificate('self'), root], [root])).toContain(UNTRUSTED);
  });

  test('after its expiry, or that of its intermediate CA', async () => {
    const short = await issued('short', { issuer: root, days: 10 });
    expect(problem([short], [root], 11)).toContain('expired');
    expect(problem([short], [root], -1)).toContain('expired');
    const below = await issued('below', { issuer: between, days: 90 });
    expect(problem([below, between], [root], 20)).toBeUndefined();
    expect(problem([below, between], [root], 31)).toContain(UNTRUSTED);
    const direct = await issued('direct', { issuer: root, days: 90 });
    expect(problem([direct], [root], 61)).toContain(UNTRUSTED);
  });

  test('that cannot be read, or has too many others with it', () => {
    const bundle = parseBundle(root.pem);
    const many = Array.from({ length: 5 }, () => leaf.der);
    for (const x5c of [[], [''], ['AAAA'], [1], [leaf.pem], 'AAAA', {}, null, [leaf.der, 'AAAA'], many]) {
      expect(trustedLeaf(x5c, bundle, Date.now())).toBe('the certificates of the token cannot be read');
    }
  });

  test('with any change', () => {
    const bundle = parseBundle(root.pem);
    const bytes = Buffer.from(leaf.der, 'base64');
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ flip;
        expect(trustedLeaf([changed.toString('base64'), between.der], bundle, Date.now())).toBeString();
      }),
      { numRuns: 500 },
    );
  });
});

describe('a bundle', () => {
  test('may have text between its certificates', () => {
    expect(parseBundle(`Our roots\n${root.pem}\n# and\n${other.pem}`)).toHaveLength(2);
  });

  test.each([
    ['nothing', () => '', 'has no certificate (PEM)'],
    ['text', () => 'hello', 'has no certificate (PEM)'],
    ['a private key', () => `${root.pem}\n${root.key}`, 'has a block, 2 of 2, that is not a readable certificate'],
    [
      'broken base64',
      () => root.pem.replace(/\n.{40}/, '\n'),
      'has a block, 1 of 1, that is not a readable certificate',
    ],
  ])('with %s cannot be used', (_, pem, reason) => {
    expect(() => parseBundle(pem())).toThrow(reason);
  });
});
