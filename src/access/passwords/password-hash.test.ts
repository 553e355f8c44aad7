import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { decoyFor, describeHash, type PasswordHash, parsePasswordHash, significantBytes } from './password-hash.ts';

const SALT = 'c29tZXNhbHRzb21lc2FsdA';
const OUTPUT = '7YbYS2w24dSTBgFeLZ/Pp5pFxLjWTXyOMrr1Ld8BcEI';
const BCRYPT_BODY = 'j0.5o4tKkzGyZaM3eUqKY.YyfYTDuihVLsrUtHgkcACXtauVd.Yku';

function hashOf(text: string): PasswordHash {
  const hash = parsePasswordHash(text);
  if (typeof hash === 'string') throw new Error(`${text}: ${hash}`);
  return hash;
}

describe('a hash is accepted', () => {
  test.each(['$2a$', '$2b$', '$2y$'])('with the prefix %s', (prefix) => {
    expect(hashOf(`${prefix}05$${BCRYPT_BODY}`)).toMatchObject({ kind: 'bcrypt', cost: 5 });
  });

  test('if it is argon2id, with its memory in KiB, passes and lanes', () => {
    const hash = hashOf(`$argon2id$v=19$m=65536,t=3,p=4$${SALT}$${OUTPUT}`);
    expect(hash).toMatchObject({ kind: 'argon2id', memory: 65_536, passes: 3, lanes: 4 });
  });
});

describe('a hash is refused', () => {
  test.each([
    [`$2y$03$${BCRYPT_BODY}`, '4 to 14'],
    [`$2y$15$${BCRYPT_BODY}`, 'the cost of its bcrypt hash is 15'],
    [`$2y$31$${BCRYPT_BODY}`, 'is 31'],
    [`$2x$05$${BCRYPT_BODY}`, 'malformed'],
    [`$2y$05$${BCRYPT_BODY.slice(1)}`, 'malformed'],
    [`$2y$05$${BCRYPT_BODY}x`, 'malformed'],
    [`$2y$05$${BCRYPT_BODY}:comment`, 'malformed'],
    [`$argon2id$v=16$m=65536,t=3,p=4$${SALT}$${OUTPUT}`, 'malformed'],
    [`$argon2id$v=19$m=262145,t=1,p=1$${SALT}$${OUTPUT}`, 'm of its argon2id hash is 262145'],
    [`$argon2id$v=19$m=999999999,t=1,p=1$${SALT}$${OUTPUT}`, 'm of its argon2id'],
    [`$argon2id$v=19$m=31,t=1,p=4$${SALT}$${OUTPUT}`, '32 to'],
    [`$argon2id$v=19$m=65536,t=17,p=1$${SALT}$${OUTPUT}`, 't of its argon2id'],
    [`$argon2id$v=19$m=262144,t=5,p=1$${SALT}$${OUTPUT}`, 'm times t'],
    [`$argon2id$v=19$m=65536,t=0,p=1$${SALT}$${OUTPUT}`, 't of its argon2id'],
    [`$argon2id$v=19$m=65536,t=1,p=0$${SALT}$${OUTPUT}`, 'p of its argon2id'],
    [`$argon2id$v=19$m=65536,t=1,p=17$${SALT}$${OUTPUT}`, 'p of its argon2id'],
    [`$argon2id$v=19$m=65536,t=1,p=1$c2FsdA$${OUTPUT}`, 'the salt'],
    [`$argon2id$v=19$m=65536,t=1,p=1$${SALT}$AAAA`, 'has 3 bytes'],
    [`$argon2id$v=19$m=65536,t=1,p=1$${SALT}$${OUTPUT}=`, 'malformed'],
    [`$argon2i$v=19$m=65536,t=1,p=1$${SALT}$${OUTPUT}`, 'another kind'],
    ['$apr1$vYZQGGWk$GwzWyVF8tm6ZPgJ1Jcc2U.', 'MD5'],
    ['{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', 'SHA-1'],
    ['$6$abc$def', 'SHA-crypt'],
    ['$y$j9T$abc$def', 'yescrypt'],
    ['rqXexS6ZhobKA', 'no bcrypt or argon2id hash'],
    ['secret', 'no bcrypt or argon2id hash'],
    ['', 'no bcrypt or argon2id hash'],
  ])('that is %p', (text, reason) => {
    const refused = parsePasswordHash(text);
    expect(refused).toBeString();
    expect(refused).toContain(reason);
  });
});

test('every accepted hash can be checked, with any bytes', async () => {
  const cheap = fc.oneof(
    fc.stringMatching(/^\$2[aby]\$04\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[./A-Za-z0-9]$/),
    fc
      .record({
        lanes: fc.integer({ min: 1, max: 16 }),
        more: fc.nat(200),
        passes: fc.integer({ min: 1, max: 3 }),
        salt: fc.uint8Array({ minLength: 7, maxLength: 65 }),
        output: fc.uint8Array({ minLength: 15, maxLength: 65 }),
      })
      .map(({ lanes, more, passes, salt, output }) => {
        const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replace(/=+$/, '');
        return `$argon2id$v=19$m=${8 * lanes + more},t=${passes},p=${lanes}$${text(salt)}$${text(output)}`;
      }),
  );
  let checked = 0;
  await fc.assert(
    fc.asyncProperty(cheap, async (text) => {
      const hash = parsePasswordHash(text);
      if (typeof hash === 'string') return;
      checked++;
      expect(await Bun.password.verify('a password', hash.text)).toBeFalse();
    }),
    { numRuns: 300 },
  );
  expect(checked).toBeGreaterThan(50);
});

describe('the decoy', () => {
  test('costs what most hashes cost', () => {
    const five = `$2y$05$${BCRYPT_BODY}`;
    const ten = `$2y$10$${BCRYPT_BODY}`;
    const argon = `$argon2id$v=19$m=4096,t=3,p=2$${SALT}$${OUTPUT}`;
    expect(describeHash(decoyFor([five, ten, five].map(hashOf)))).toBe('bcrypt, cost 5');
    expect(describeHash(decoyFor([five, argon, argon].map(hashOf)))).toBe('argon2id, m=4096, t=3, p=2');
    expect(describeHash(decoyFor([]))).toBe('bcrypt, cost 10');
  });

  test('is a valid hash without a known password', async () => {
    for (const text of [`$2y$04$${BCRYPT_BODY}`, `$argon2id$v=19$m=64,t=1,p=2$${SALT}$${OUTPUT}`]) {
      for (let n = 0; n < 50; n++) {
        const decoy = decoyFor([hashOf(text)]);
        expect(hashOf(decoy.text)).toEqual(decoy);
        expect(await Bun.password.verify('', decoy.text)).toBeFalse();
        expect(await Bun.password.verify('password', decoy.text)).toBeFalse();
      }
    }
  });
});

test('bcrypt uses 72 bytes of a password, and argon2id all of them', () => {
  const password = 'ä'.repeat(40);
  expect(significantBytes(password, hashOf(`$2y$05$${BCRYPT_BODY}`))).toHaveLength(72);
  expect(significantBytes(password, hashOf(`$argon2id$v=19$m=4096,t=3,p=2$${SALT}$${OUTPUT}`))).toHaveLength(80);
});
