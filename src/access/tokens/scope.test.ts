import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { repositoryNames } from '../../../test/support/generators.ts';
import type { RepositoryName } from '../../oci/names.ts';
import { formatScope, MAX_SCOPE_CHARACTERS, MAX_SCOPES, parseScopes, type Scope, type ScopeAction } from './scope.ts';

const SERVICE = 'registry.example:5000';

const read = (...texts: string[]): readonly Scope[] | undefined => parseScopes(texts, SERVICE);

function on(repo: string, ...actions: ScopeAction[]): Scope {
  return { kind: 'repository', repo: repo as RepositoryName, actions };
}

test('scopes come in several parameters, and several in one', () => {
  const expected = [on('a', 'pull'), on('b/c', 'pull', 'push'), on('d', 'delete')];
  expect(read('repository:a:pull', 'repository:b/c:push,pull', 'repository:d:delete')).toEqual(expected);
  expect(read('repository:a:pull  repository:b/c:push,pull', ' repository:d:delete ')).toEqual(expected);
  expect(read()).toEqual([]);
  expect(read('', ' ')).toEqual([]);
});

test('scopes of one repository are merged', () => {
  expect(read('repository:a:pull repository:b:pull', 'repository:a:push')).toEqual([
    on('a', 'pull', 'push'),
    on('b', 'pull'),
  ]);
});

test('* is every action', () => {
  expect(read('repository:a:*')).toEqual([on('a', 'pull', 'push', 'delete')]);
});

test('a class in parentheses makes no difference', () => {
  expect(read('repository(plugin):a:pull')).toEqual([on('a', 'pull')]);
});

test('a name may begin with the host and port of this registry', () => {
  expect(read(`repository:${SERVICE}/team/app:pull`)).toEqual([on('team/app', 'pull')]);
  expect(read('repository:other.example:5000/team/app:pull')).toEqual([]);
  // Without a port it is a legal name.
  expect(read('repository:registry.example/app:pull')).toEqual([on('registry.example/app', 'pull')]);
});

test('the registry itself has the scopes catalog, metrics and admin', () => {
  const all = (['catalog', 'metrics', 'admin'] as const).map((action) => ({ kind: 'registry' as const, action }));
  expect(read('registry:admin:* registry:catalog:* registry:metrics:*')).toEqual(all);
  expect(read('registry:catalog:pull registry:everything:*')).toEqual([]);
});

test('unknown and malformed scopes are ignored', () => {
  const nonsense = [
    'repository:a',
    'repository:a:',
    'repository::pull',
    'repository:A:pull',
    'repository:*:pull',
    'repository:a:create',
    'repository:../a:pull',
    'repository:a:b:pull',
    'repository:[::1]:5000/a:pull',
    'repository():a:pull',
    'aws:repository:a:pull',
    'image:a:pull',
    'pull',
    ':::',
    'repository:a:pull\n',
    'repository:a\u0000:pull',
  ];
  for (const text of nonsense) expect(read(text)).toEqual([]);
  expect(read(`${nonsense.join(' ')} repository:a:pull,everything`)).toEqual([on('a', 'pull')]);
});

test('too many scopes, and too long ones, are refused as a whole', () => {
  const numbered = (count: number): string[] => Array.from({ length: count }, (_, at) => `repository:r${at}:pull`);
  expect(read(...numbered(MAX_SCOPES))).toHaveLength(MAX_SCOPES);
  expect(read(...numbered(MAX_SCOPES + 1))).toBeUndefined();
  expect(read(numbered(MAX_SCOPES + 1).join(' '))).toBeUndefined();
  expect(read('x'.repeat(MAX_SCOPE_CHARACTERS))).toEqual([]);
  expect(read('x'.repeat(MAX_SCOPE_CHARACTERS), 'x')).toBeUndefined();
});

const pieces = fc.constantFrom(
  'repository',
  'registry',
  '(plugin)',
  ':',
  ',',
  '*',
  ' ',
  '/',
  'pull',
  'push',
  'a',
  '5000',
  SERVICE,
);
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(pieces, { maxLength: 30 }).map((each) => each.join('')),
);

test('no text makes the parser throw, and every parsed scope is legal', () => {
  fc.assert(
    fc.property(fc.array(anyText, { maxLength: 5 }), (texts) => {
      const scopes = parseScopes(texts, SERVICE) ?? [];
      const names = scopes.flatMap((scope) => (scope.kind === 'repository' ? [scope.repo] : []));
      for (const name of names) expect(name).toMatch(/^[a-z0-9]+(?:(?:[._/]|__|-+)[a-z0-9]+)*$/);
      expect(new Set(names).size).toBe(names.length);
    }),
  );
});

const actionLists = fc.subarray<ScopeAction>(['pull', 'push', 'delete'], { minLength: 1 });
const scopeLists: fc.Arbitrary<readonly Scope[]> = fc
  .tuple(
    fc.uniqueArray(
      fc.record({ kind: fc.constant('repository' as const), repo: repositoryNames, actions: actionLists }),
      {
        selector: ({ repo }) => repo,
        maxLength: 8,
      },
    ),
    fc.subarray<Scope>((['catalog', 'metrics', 'admin'] as const).map((action) => ({ kind: 'registry', action }))),
  )
  .map(([repositories, registry]) => [...repositories, ...registry]);

test('scopes survive formatting and parsing', () => {
  fc.assert(
    fc.property(scopeLists, fc.boolean(), (scopes, isOneParameter) => {
      const texts = scopes.map(formatScope);
      expect(parseScopes(isOneParameter ? [texts.join(' ')] : texts, SERVICE)).toEqual(scopes);
    }),
  );
});
