import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { processorMs } from '../../test/support/processor-time.ts';
import { finish, parseStrictJson, strictJsonSteps } from './strict-json.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);

function problemOf(input: string | Uint8Array): string {
  const parsed = parseStrictJson(typeof input === 'string' ? bytesOf(input) : input);
  return 'problem' in parsed ? parsed.problem : 'none';
}

function limited(text: string, limits: { values?: number; escapes?: number }): string {
  const { values = 1_000_000, escapes = 1_000_000 } = limits;
  const parsed = finish(strictJsonSteps(bytesOf(text), { values, escapes }));
  return 'problem' in parsed ? parsed.problem : 'none';
}

/** Everything in it, itself too. */
function countOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce((sum: number, part) => sum + countOf(part), 1);
}

function plainJson(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

const isUsable = (key: string): boolean => key !== '__proto__';
/** Values that JSON.stringify writes without making any key twice. */
const values = fc
  .jsonValue({ maxDepth: 6, stringUnit: 'binary' })
  .filter((value) => !JSON.stringify(value).includes('"__proto__":'));
const keys = fc.oneof(
  fc.constantFrom('a', 'b', 'constructor', 'é', '"', '\\', '{', '\n'),
  fc.string({ unit: 'grapheme' }).filter(isUsable),
);

/** JSON text with some noise in it: most of it is still JSON, much of it not. */
const nearlyJson = fc
  .tuple(
    fc.json({ maxDepth: 4 }),
    fc.array(
      fc.tuple(fc.nat(), fc.constantFrom('{', '}', '[', ']', '"', ',', ':', '\\', ' ', '0', 'e', '\u0000', '\ufeff')),
      { maxLength: 2 },
    ),
  )
  .map(([text, noise]) =>
    noise.reduce(
      (noisy, [at, what]) => noisy.slice(0, at % (noisy.length + 1)) + what + noisy.slice(at % (noisy.length + 1)),
      text,
    ),
  );

describe('strict JSON', () => {
  test('is what JSON.parse makes of anything that JSON.stringify wrote', () => {
    fc.assert(
      fc.property(values, fc.constantFrom(undefined, 2, '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(parseStrictJson(bytesOf(text))).toEqual({ value: JSON.parse(text) });
      }),
    );
  });

  test('accepts only what JSON.parse accepts, and then the same value; it never throws', () => {
    fc.assert(
      fc.property(fc.oneof(nearlyJson, fc.string({ unit: 'binary' })), (text) => {
        const parsed = parseStrictJson(bytesOf(text));
        const plain = plainJson(text);
        if ('value' in parsed) expect(plain).toEqual(parsed);
        else if (plain !== undefined) expect(parsed.problem).toMatch(/appears twice|nested deeper|surrogate|__proto__/);
      }),
    );
  });

  test('never throws for any bytes, and takes none that are not UTF-8', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const parsed = parseStrictJson(bytes);
        if ('value' in parsed) expect(plainJson(Buffer.from(bytes).toString('utf8'))).toEqual(parsed);
      }),
    );
  });

  test('finds a key that is there twice, at any depth, however it is written', () => {
    fc.assert(
      fc.property(keys, values, values, fc.nat({ max: 5 }), fc.boolean(), (key, one, two, depth, escaped) => {
        const plain = JSON.stringify(key);
        const again = escaped
          ? `"${[...Array(key.length).keys()].map((i) => `\\u${key.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`
          : plain;
        const object = `{${plain}:${JSON.stringify(one)} , ${again} : ${JSON.stringify(two)}}`;
        expect(problemOf(`${'[{"x":'.repeat(depth)}${object}${'}]'.repeat(depth)}`)).toContain('appears twice');
      }),
    );
  });

  test('takes the same key in different objects, and strings that look like keys', () => {
    const fine = [
      '{"a":{"a":{"a":1}}}',
      '[{"a":1},{"a":2}]',
      '{"a":"a","b":"a"}',
      '["a","a"]',
      '{"a":["a","a"],"b":"a:"}',
    ];
    for (const text of [...fine, '{"a":1,"A":2}', '{"a\\u0000":1,"a":2}', '{"a":"__proto__"}', '{"":1," ":2}'])
      expect(problemOf(text)).toBe('none');
  });

  test.each([
    ['a lone surrogate in a value', '{"a":"\\ud800"}', 'surrogate'],
    ['a lone surrogate in a key', '{"\\uDC00":1}', 'surrogate'],
    ['a surrogate pair the wrong way round', '"\\ude00\\ud83d"', 'surrogate'],
    ['the key __proto__', '{"a":[{"__proto__":1}]}', '__proto__'],
    ['the key __proto__, escaped', '{"\\u005f_proto__":1}', '__proto__'],
    ['a byte order mark', '\ufeff{}', 'not valid JSON'],
    ['nothing', '', 'not valid JSON'],
    ['a comment', '{} // x', 'not valid JSON'],
    ['a trailing comma', '[1,]', 'not valid JSON'],
    ['single quotes', "{'a':1}", 'not valid JSON'],
    ['two values', '{}{}', 'not valid JSON'],
    ['NaN', 'NaN', 'not valid JSON'],
    ['a control character in a string', '"\u0001"', 'not valid JSON'],
    ['an open string', '"', 'not valid JSON'],
    ['an open string that ends with a backslash', '"\\', 'not valid JSON'],
  ])('refuses %s', (_, text, problem) => {
    expect(problemOf(text)).toContain(problem);
  });

  test('takes whole surrogate pairs, escaped or not, and escaped backslashes before a u', () => {
    expect(parseStrictJson(bytesOf('["\\ud83d\\ude00","😀","\\\\ud800"]'))).toEqual({ value: ['😀', '😀', '\\ud800'] });
  });

  test.each<[string, number[]]>([
    ['a lone continuation byte', [0x22, 0x80, 0x22]],
    ['an overlong slash', [0x22, 0xc0, 0xaf, 0x22]],
    ['a surrogate in UTF-8', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]],
  ])('refuses %s', (_, bytes) => {
    expect(problemOf(new Uint8Array(bytes))).toBe('the bytes are not UTF-8');
  });

  test('takes 64 levels and no more, and does not count brackets in strings', () => {
    expect(problemOf(nested(64))).toBe('none');
    expect(problemOf(nested(65))).toContain('nested deeper than 64');
    expect(problemOf(`${'{"a":'.repeat(65)}1${'}'.repeat(65)}`)).toContain('nested deeper than 64');
    expect(problemOf(JSON.stringify('['.repeat(1000)))).toBe('none');
    expect(problemOf(JSON.stringify(`\\"${'{'.repeat(1000)}`))).toBe('none');
  });

  test('counts every value once, whatever blanks and strings there are', () => {
    fc.assert(
      fc.property(values, fc.constantFrom(undefined, 2, '\t'), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const count = countOf(JSON.parse(text));
        expect(limited(text, { values: count })).toBe('none');
        if (count > 1) expect(limited(text, { values: count - 1 })).toBe(`it has more than ${count - 1} values`);
      }),
    );
    expect(limited('[ \n ]', { values: 1 })).toBe('none');
    expect(limited('{"a":{ },"b":[[]]}', { values: 3 })).toContain('more than 3 values');
    expect(limited('{"a":{ },"b":[[]]}', { values: 4 })).toBe('none');
  });

  test('counts escapes, not backslashes', () => {
    const text = '{"\\u0061":"\\\\\\"\\n"}';
    expect(limited(text, { escapes: 4 })).toBe('none');
    expect(limited(text, { escapes: 3 })).toBe('its strings have more than 3 escapes');
  });

  test('finds the limit without reading on', () => {
    expect(limited(`[${'0,'.repeat(10)}`, { values: 5 })).toContain('more than 5 values');
    expect(limited(`"${'\\n'.repeat(10)}`, { escapes: 5 })).toContain('more than 5 escapes');
  });

  test('megabytes of hostile text take no time and no stack', () => {
    const size = 4 * 1024 * 1024;
    const took = processorMs(() => {
      expect(problemOf('['.repeat(size))).toContain('nested deeper');
      expect(problemOf('"'.repeat(size))).toContain('not valid JSON');
      expect(problemOf(`"${'\\'.repeat(size)}`)).toContain('not valid JSON');
      expect(problemOf(`{"a":${' '.repeat(size)}1}`)).toBe('none');
      expect(problemOf(`[${'"a" ,'.repeat(size / 5)}1]`)).toBe('none');
    });
    expect(took).toBeLessThan(5_000);
  });
});
