import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { processorMs } from '../../test/support/processor-time.ts';
import { Patterns, problemOfPattern } from './patterns.ts';

function matches(pattern: string, text: string): boolean {
  expect(problemOfPattern('repository', pattern.toLowerCase())).toBeUndefined();
  return new Patterns([pattern]).matches(text);
}

describe('patterns', () => {
  test.each([
    ['v1', ['v1'], ['v1.2', 'xv1', 'V1']],
    ['v*', ['v', 'v1', 'v1.2-rc_3'], ['1v']],
    ['*', ['latest', '_x', '1'], ['a/b']],
    ['v[0-9]*', ['v1', 'v10.x'], ['va', 'v']],
    ['v[^0-9]', ['va'], ['v1', 'v']],
    ['{main,dev}-*', ['main-1', 'dev-'], ['test-1', 'main']],
    ['{,x-}v?', ['v1', 'x-v1'], ['v', 'v12']],
    ['team/*', ['team/a'], ['team/a/b', 'team']],
    ['team/**', ['team/a', 'team/a/b'], ['team', 'teams/a']],
    ['**', ['a', 'a/b/c'], []],
    ['**/app', ['app', 'a/app', 'a/b/app'], ['a/apps', 'a/app/b']],
    ['a/**/z', ['a/z', 'a/b/c/z'], ['a/zz']],
  ] as const)('%s', (pattern, good, bad) => {
    for (const text of good) expect([text, matches(pattern, text)]).toEqual([text, true]);
    for (const text of bad) expect([text, matches(pattern, text)]).toEqual([text, false]);
  });

  test('that are malformed are refused, because they would silently match nothing', () => {
    for (const text of [
      '',
      '!v1',
      'v[',
      'v[]',
      'v{a',
      'v{a}',
      'a,b',
      'v1 ',
      'v\\*',
      '/^v/',
      '***',
      '(a)',
      'x'.repeat(257),
    ])
      expect([text, problemOfPattern('tag', text)]).toEqual([text, expect.any(String)]);
    expect(problemOfPattern('tag', 'a/b')).toContain('is not a pattern for a tag');
    expect(problemOfPattern('repository', 'Team/*')).toContain("is not a pattern for a repository's name");
    expect(problemOfPattern('tag', 'V*')).toBeUndefined();
  });

  test('may have words in braces with 64 combinations, and not more, whatever the kind', () => {
    const words = (count: number): string => `{${Array.from({ length: count }, (_, n) => `w${n}`).join(',')}}`;
    for (const kind of ['tag', 'repository', 'text'] as const) {
      for (const text of [words(64), `${words(8)}-${words(8)}`, '{a,b}'.repeat(6), `${words(32)}{,-x}`])
        expect([text, problemOfPattern(kind, text)]).toEqual([text, undefined]);
      for (const text of [words(65), `${words(8)}-${words(9)}`, '{a,b}'.repeat(7), `{${','.repeat(22)}}`.repeat(10)])
        expect([text, problemOfPattern(kind, text)]).toEqual([text, expect.stringContaining('64 combinations')]);
    }
  });

  test('of any legal form are matched quickly', () => {
    const atom = fc.constantFrom(
      'a',
      'b',
      '/',
      '?',
      '*',
      '**',
      '[^b]',
      '{a,b}',
      '{,a}',
      '{*a,*}',
      '{a/,**/}',
      `{${'*,'.repeat(31)}a}`,
    );
    const pattern = fc.array(atom, { minLength: 1, maxLength: 60 }).map((atoms) => atoms.join(''));
    const took = processorMs(() =>
      fc.assert(
        fc.property(pattern, (text) => {
          fc.pre(problemOfPattern('repository', text) === undefined);
          const globs = new Patterns([text]);
          for (const name of ['a'.repeat(255), 'a/'.repeat(127), 'ab/'.repeat(85)]) globs.matches(name);
        }),
        { numRuns: 300 },
      ),
    );
    expect(took).toBeLessThan(5_000);
  });

  test('for names and claims may have any printable letter, and no character with a meaning elsewhere', () => {
    for (const text of [
      'repo:org/*:ref:refs/heads/{main,release-*}',
      'CN=Ünï, x',
      'a@b.example',
      'system:serviceaccount:*',
    ]) {
      expect([text, problemOfPattern('text', text)]).toEqual([
        text,
        text.includes(', ') ? expect.any(String) : undefined,
      ]);
    }
    for (const text of ['a\nb', '+(a)', '[!a]', 'a\\*', '\u202e', '\ud800', '{a', 'a***'])
      expect([text, problemOfPattern('text', text)]).toEqual([text, expect.any(String)]);
  });

  test('match what the same regular expression matches', () => {
    const letters = 'ab./-';
    const letter = fc.constantFrom(...letters);
    const atom = fc.oneof(
      letter.map((each) => ({ glob: each, regExp: each.replace('.', '\\.') })),
      fc.constant({ glob: '*', regExp: '[^/]*' }),
      fc.constant({ glob: '?', regExp: '[^/]' }),
      fc.constant({ glob: '[a.]', regExp: '[a.]' }),
      fc.constant({ glob: '[^a]', regExp: '[^a/]' }),
      fc.constant({ glob: '{a,b*}', regExp: '(?:a|b[^/]*)' }),
    );
    const text = fc.string({ unit: letter, maxLength: 8 });
    fc.assert(
      fc.property(fc.array(atom, { minLength: 1, maxLength: 8 }), text, (atoms, value) => {
        const glob = atoms.map((each) => each.glob).join('');
        fc.pre(problemOfPattern('repository', glob) === undefined && !glob.includes('**'));
        const regExp = new RegExp(`^${atoms.map((each) => each.regExp).join('')}$`);
        expect([glob, value, new Patterns([glob]).matches(value)]).toEqual([glob, value, regExp.test(value)]);
      }),
      { numRuns: 2_000 },
    );
  });

  test('are validated quickly, for any text', () => {
    const took = processorMs(() => {
      for (const start of ['[', '{', '']) {
        for (const part of ['-', 'a-', '*', 'a,', '**/', '{a,', '[a'])
          for (const kind of ['tag', 'repository', 'text'] as const)
            problemOfPattern(kind, `${start}${part.repeat(Math.floor(250 / part.length))}`);
      }
    });
    expect(took).toBeLessThan(1_000);
  });

  test('without wildcards match themselves only, and no pattern is slow', () => {
    const letters = fc.stringMatching(/^[A-Za-z0-9_.-]{1,30}$/);
    fc.assert(
      fc.property(letters, letters, (one, other) => {
        expect(new Patterns([one]).matches(other)).toBe(one === other);
        expect(new Patterns([other, one]).matches(one)).toBe(true);
      }),
    );
    const took = processorMs(() => {
      for (const pattern of [
        '*a*a*a*a*a*a*a*a*a*b',
        '{a,aa}*{a,aa}*{a,aa}*{a,aa}*{a,aa}*{a,aa}*b',
        '**/a/**/a/**/a/**/a/b',
      ])
        for (const text of ['a'.repeat(128), 'a/'.repeat(120)])
          expect(new Patterns([pattern]).matches(text)).toBe(false);
    });
    expect(took).toBeLessThan(1_000);
  });
});
