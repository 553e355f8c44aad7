import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { z } from 'zod';
import { parseRuleFile, RuleFileError } from './yaml-file.ts';

const shape = z.strictObject({
  who: z.union(
    [z.string().min(2, 'a longer name is expected'), z.strictObject({ name: z.string('a name is expected') })],
    'a name or {name} is expected',
  ),
  more: z.record(z.string(), z.string()).optional(),
});

function problemOf(text: string): string {
  try {
    parseRuleFile(text, shape, 'a test file');
  } catch (error) {
    if (error instanceof RuleFileError) return error.message;
    throw error;
  }
  return 'none';
}

describe('a rule file', () => {
  test('knows the line of each of its nodes', () => {
    const { value, lineOf } = parseRuleFile('# a comment\nwho: some\nmore:\n  a: b\n  c: d', shape, 'a test file');
    expect(value).toEqual({ who: 'some', more: { a: 'b', c: 'd' } });
    expect([lineOf([]), lineOf(['who']), lineOf(['more', 'c']), lineOf(['more', 'none'])]).toEqual([2, 2, 5, 4]);
  });

  test.each([
    ['who: x', 'line 1, column 6 (who): a longer name is expected'],
    ['who: {name: 1}', 'line 1, column 13 (who.name): a name is expected'],
    ['who: {name: a, other: b}', 'line 1, column 23 (who.other): there is no such key'],
    ['who: {}', 'line 1, column 6 (who.name): a name is expected'],
    ['who: 1', 'line 1, column 6 (who): a name or {name} is expected'],
    ['who: [a]', 'line 1, column 6 (who): a name or {name} is expected'],
    ['who: ok\nmore: {__proto__: x}', 'line 2, column 8: there is no such key'],
    ['who: ok\n"__proto__": x', 'line 2, column 1: there is no such key'],
    ['who: ok\nmore: {"a\\nb": 1}', 'line 2, column 16 (more.a b): Invalid input: expected string, received number'],
    ['who: &a ok\nmore: {b: *c}', 'line 2, column 11: Unresolved alias (the anchor must be set before the alias)'],
  ])('that is wrong is refused with its place: %#', (text, expected) => {
    expect(problemOf(text)).toBe(expected);
  });

  test('is refused in one line, for any text', () => {
    const yaml = fc.array(
      fc.oneof(
        fc.constantFrom(
          'who',
          ': ',
          '- ',
          '\n',
          '  ',
          '{',
          '}',
          '[',
          ']',
          ',',
          '&a',
          '*a',
          '|',
          '>',
          '!!',
          '"',
          "'",
          '#',
          '%',
          '? ',
          '<<',
          '__proto__',
          '---',
          '\t',
        ),
        fc.string({ unit: 'binary', maxLength: 3 }),
      ),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(yaml, (parts) => expect(problemOf(parts.join(''))).toMatch(/^[^\p{Cc}\p{Zl}\p{Zp}]+$/u)),
      { numRuns: 500 },
    );
  });
});
