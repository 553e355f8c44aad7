import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { pickClaims } from './pick-claims.ts';

const KEYCLOAK = { realm_access: { roles: ['dev', 'ops'] }, resource_access: { registry: { roles: ['push'] } } };
const KUBERNETES = { 'kubernetes.io': { namespace: 'shop', serviceaccount: { name: 'app' } } };

test('members of claims are found by their path', () => {
  expect(pickClaims(KEYCLOAK, ['realm_access.roles', 'resource_access.registry.roles'])).toEqual({
    'realm_access.roles': ['dev', 'ops'],
    'resource_access.registry.roles': ['push'],
  });
  expect(pickClaims(KUBERNETES, ['kubernetes.io.namespace', 'kubernetes.io.serviceaccount.name'])).toEqual({
    'kubernetes.io.namespace': 'shop',
    'kubernetes.io.serviceaccount.name': 'app',
  });
});

test('a claim with exactly the name comes before a member', () => {
  expect(pickClaims({ a: { b: 'member' }, 'a.b': 'claim' }, ['a.b'])).toEqual({ 'a.b': 'claim' });
  expect(pickClaims({ a: { 'b.c': 1, b: { c: 2 } } }, ['a.b.c'])).toEqual({ 'a.b.c': 1 });
});

test('paths do not lead into lists, texts or prototypes', () => {
  const claims = { list: ['x'], text: 'abc', object: {} };
  const names = [
    'list.0',
    'list.length',
    'text.length',
    'object.constructor',
    'constructor.name',
    '__proto__.x',
    '.',
    '',
  ];
  expect(pickClaims(claims, names)).toEqual({});
});

test('every member is found, unless a claim of that name comes first', () => {
  const name = fc.stringMatching(/^[a-z.]{1,4}$/);
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 4 }), fc.jsonValue(), (path, value) => {
      fc.pre(value !== undefined);
      const claims = path.reduceRight<unknown>((inner, each) => ({ [each]: inner }), value);
      expect(pickClaims(claims as Record<string, unknown>, [path.join('.')])).toHaveProperty([path.join('.')]);
    }),
  );
});

test('any names and claims lead to an answer', () => {
  const claims = fc.dictionary(fc.string(), fc.jsonValue());
  fc.assert(
    fc.property(claims, fc.array(fc.string()), (all, names) => {
      for (const name of Object.keys(pickClaims(all, names))) expect(names).toContain(name);
    }),
  );
});
