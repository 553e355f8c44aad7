import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { HtpasswdError, parseHtpasswd, problemOfName } from './htpasswd.ts';
import { hasAccount, withAccount, withoutAccount } from './htpasswd-edit.ts';

const HASH = '$2y$05$j0.5o4tKkzGyZaM3eUqKY.YyfYTDuihVLsrUtHgkcACXtauVd.Yku';
const OTHER = '$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$7YbYS2w24dSTBgFeLZ/Pp5pFxLjWTXyOMrr1Ld8BcEI';

function refusal(text: string): string {
  try {
    parseHtpasswd(text);
  } catch (error) {
    if (error instanceof HtpasswdError) return error.message;
    throw error;
  }
  throw new Error('the file was taken');
}

describe('a file', () => {
  test('is parsed into its accounts in order, without comments and empty lines', () => {
    const text = `# the team\n\nbob:${HASH}\r\n  alice:${OTHER}  \n#eve:${HASH}\nmary ann@example.org:${HASH}`;
    const accounts = parseHtpasswd(text);
    expect([...accounts.keys()]).toEqual(['bob', 'alice', 'mary ann@example.org']);
    expect(accounts.get('alice')?.hash).toMatchObject({ kind: 'argon2id', text: OTHER });
  });

  test('may be empty, and may begin with a byte order mark', () => {
    expect(parseHtpasswd('').size).toBe(0);
    expect([...parseHtpasswd(`\ufeffbob:${HASH}\n`).keys()]).toEqual(['bob']);
  });

  test.each([
    [`bob:${HASH}\nbob:${HASH}`, 'line 2: line 1 has the same name'],
    ['bob', 'line 1: it has no colon'],
    [`\n:${HASH}`, 'line 2: its name is empty'],
    [`b\u0007ob:${HASH}`, 'line 1: its name has control characters'],
    [`b\u202eob:${HASH}`, 'control characters'],
    [`b\ufffdob:${HASH}`, 'UTF-8'],
    [`bob :${HASH}`, 'a space at its beginning or end'],
    [`robot+ci:${HASH}`, 'robot+'],
    [`${'x'.repeat(256)}:${HASH}`, '255 characters'],
    [`${'x'.repeat(1_000)}:${HASH}`, 'longer than 1000'],
    [
      'bob:$apr1$vYZQGGWk$GwzWyVF8tm6ZPgJ1Jcc2U.',
      'line 1: its hash is MD5, not bcrypt or argon2id: set its password again',
    ],
    ['bob:hunter2', 'line 1: it has no bcrypt or argon2id hash: set its password again'],
    [`bob:${HASH.replace('$05$', '$20$')}`, 'line 1: the cost of its bcrypt hash is 20'],
    ['x'.repeat(1_000).concat('\n').repeat(3_000), 'longer than 2097152 bytes'],
    [Array.from({ length: 10_001 }, (_, n) => `u${n}:${HASH}`).join('\n'), 'line 10001: at most 10000'],
  ])('that is wrong is refused with the line: %#', (text, message) => {
    expect(refusal(text)).toContain(message);
    expect(refusal(text)).not.toMatch(/[\n\r]/);
  });

  test('that is refused: the message shows no part of a line', () => {
    const secret = fc.stringMatching(/^[Q-Z\u00c0-\u00d6{}$;]{4,20}$/);
    fc.assert(
      fc.property(secret, secret, (name, hash) => {
        const message = refusal(`${name}:${hash}`);
        expect(message).not.toContain(name);
        expect(message).not.toContain(hash);
      }),
    );
  });

  test('with any text is accepted, or refused with one line', () => {
    const line = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc
        .tuple(fc.string({ maxLength: 12 }), fc.constantFrom(':', '', '::'))
        .map(([name, colon]) => `${name}${colon}${HASH}`),
      fc.constantFrom('', '#', ' # x', `:${HASH}`, `a:${HASH}`, `a:${OTHER}`, '\r'),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), fc.constantFrom('\n', '\r\n'), (lines, ending) => {
        const text = lines.join(ending);
        try {
          for (const [key, { name, hash }] of parseHtpasswd(text)) {
            expect(key).toBe(name);
            expect(problemOfName(name)).toBeUndefined();
            expect(text).toContain(`${name}:${hash.text}`);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(HtpasswdError);
          expect(String(error)).toMatch(/^HtpasswdError: line \d+: [^\p{Cc}]+$/u);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('an edit', () => {
  const name = fc.string({ maxLength: 20 }).filter((each) => problemOfName(each) === undefined);
  const accounts = fc.uniqueArray(name, { maxLength: 8 });
  const textOf = (names: readonly string[]): string => names.map((each) => `${each}:${HASH}\n`).join('');

  test('sets one account and leaves all others unchanged', () => {
    fc.assert(
      fc.property(accounts, name, (names, edited) => {
        const before = parseHtpasswd(textOf(names));
        const text = withAccount(textOf(names), edited, OTHER);
        const after = parseHtpasswd(text);
        expect(after.get(edited)?.hash.text).toBe(OTHER);
        expect([...after.keys()]).toEqual(names.includes(edited) ? names : [...names, edited]);
        for (const each of names) if (each !== edited) expect(after.get(each)).toEqual(before.get(each));
        expect(hasAccount(text, edited)).toBeTrue();
        const removed = withoutAccount(text, edited);
        expect(removed).toBe(textOf(names.filter((each) => each !== edited)));
        expect(withoutAccount(removed ?? '', edited)).toBeUndefined();
      }),
    );
  });

  test('keeps comments, empty lines, line endings and lines that are wrong', () => {
    const text = `# team\r\nold:secret\r\n\r\nbob:${HASH}\r\nlast:${HASH}`;
    expect(withAccount(text, 'bob', OTHER)).toBe(`# team\r\nold:secret\r\n\r\nbob:${OTHER}\r\nlast:${HASH}`);
    expect(withAccount(text, 'new', OTHER)).toBe(`${text}\nnew:${OTHER}\n`);
    expect(withoutAccount(text, 'old')).toBe(`# team\r\n\r\nbob:${HASH}\r\nlast:${HASH}`);
  });
});
