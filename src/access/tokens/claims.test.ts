import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { repositoryNames } from '../../../test/support/generators.ts';
import type { Action } from '../authority.ts';
import { accessClaimsOf, type BoundIdentity, readAccessClaims, readRefreshClaims, refreshClaimsOf } from './claims.ts';
import type { Granted } from './grant.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 30 });
const bound: fc.Arbitrary<BoundIdentity> = fc.record({
  identity: fc.oneof(
    fc.constant({ kind: 'anonymous' } as const),
    fc.record({ kind: fc.constantFrom('user', 'robot'), name: text }),
    fc.record({ kind: fc.constant('certificate' as const), commonName: text }),
    fc.record({
      kind: fc.constant('oidc' as const),
      issuer: text,
      subject: text,
      claims: fc.dictionary(
        text.filter((each) => each !== '__proto__'),
        fc.jsonValue(),
      ),
    }),
  ),
  version: fc.option(text, { nil: undefined }),
});
const actions = fc
  .tuple(fc.constantFrom<readonly Action[]>([], ['push'], ['create']), fc.subarray<Action>(['pull', 'delete']))
  .map(([pushes, others]) => [...pushes, ...others]);
const granted: fc.Arbitrary<Granted> = fc.record({
  repositories: fc.array(fc.record({ repo: repositoryNames, actions }), { maxLength: 5 }),
  registry: fc.subarray(['catalog' as const, 'metrics' as const, 'admin' as const]),
});

const throughJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
const normal = (value: unknown): unknown => throughJson(value);

test('claims survive encoding and decoding', () => {
  fc.assert(
    fc.property(bound, granted, (who, what) => {
      const read = readAccessClaims(throughJson(accessClaimsOf(what, who)));
      expect(normal(read)).toEqual(normal({ ...who, granted: what }));
      expect(normal(readRefreshClaims(throughJson(refreshClaimsOf(who))))).toEqual(normal(who));
    }),
  );
});

test('other tools can read the grants in the claim of distribution, where `create` is `push`', () => {
  const repo = fc.sample(repositoryNames, 1)[0];
  if (repo === undefined) throw new Error('there is always a name');
  const who: BoundIdentity = { identity: { kind: 'user', name: 'deployer' }, version: '7' };
  const { access, marina } = accessClaimsOf(
    {
      repositories: [
        { repo, actions: ['pull', 'push'] },
        { repo, actions: ['create', 'pull'] },
      ],
      registry: ['catalog'],
    },
    who,
  );
  expect(access).toEqual([
    { type: 'repository', name: repo, actions: ['pull', 'push'] },
    { type: 'repository', name: repo, actions: ['push', 'pull'] },
    { type: 'registry', name: 'catalog', actions: ['*'] },
  ]);
  expect(marina).toEqual({ identity: { kind: 'user', name: 'deployer' }, version: '7', create: [1] });
});

test('other claims that are signed with the key are refused without an exception', () => {
  const marina = { identity: { kind: 'user', name: 'a' } };
  const others: readonly unknown[] = [
    undefined,
    null,
    'text',
    [],
    {},
    { access: [] },
    { marina },
    { access: [], marina: { ...marina, onlyFrom: '10.0.0.0/8' } },
    { access: [], marina: { identity: { kind: 'operator', uid: 0 } } },
    { access: [], marina: { identity: { kind: 'system', task: 'retention' } } },
    { access: [{ type: 'repository', name: 'A', actions: ['pull'] }], marina },
    { access: [{ type: 'repository', name: 'a', actions: ['*'] }], marina },
    { access: [{ type: 'registry', name: 'catalog', actions: ['pull'] }], marina },
  ];
  for (const payload of others) expect(readAccessClaims(payload)).toBeUndefined();
  fc.assert(
    fc.property(fc.jsonValue(), (payload) => {
      readAccessClaims(payload);
      readRefreshClaims(payload);
    }),
  );
});
