import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Identity, labelOf } from './identity.ts';

const name = fc.string({ unit: 'binary', maxLength: 300 });
const identity: fc.Arbitrary<Identity> = fc.oneof(
  fc.constant({ kind: 'anonymous' } as const),
  name.map((text) => ({ kind: 'user', name: text }) as const),
  name.map((text) => ({ kind: 'robot', name: text }) as const),
  fc.record({
    kind: fc.constant('oidc' as const),
    issuer: fc.stringMatching(/^[a-z0-9-]{1,20}$/),
    subject: name,
    claims: fc.constant({}),
  }),
  name.map((text) => ({ kind: 'certificate', commonName: text }) as const),
  name.map((text) => ({ kind: 'token', subject: text }) as const),
  fc.nat().map((uid) => ({ kind: 'operator', uid }) as const),
);

test('a label is printable ASCII without spaces, and at most 255 characters', () => {
  fc.assert(fc.property(identity, (each) => expect(labelOf(each)).toMatch(/^[\x21-\x7e]{1,255}$/)));
});

test('different identities have different labels', () => {
  const wellFormed = (each: Identity) => JSON.stringify(each).toWellFormed();
  fc.assert(
    fc.property(identity, identity, (one, other) => {
      fc.pre(wellFormed(one) !== wellFormed(other));
      expect(labelOf(one)).not.toBe(labelOf(other));
    }),
  );
});

test('a name from outside cannot pass for another kind', () => {
  for (const text of ['operator:0', 'robot:ci', 'anonymous', 'system:retention', 'a\nuser:b', 'a%0Ab', '\u202e']) {
    expect(labelOf({ kind: 'user', name: text })).toStartWith('user:');
  }
  expect(labelOf({ kind: 'user', name: 'a\nb' })).toBe(labelOf({ kind: 'user', name: 'a\nb' }));
  expect(labelOf({ kind: 'user', name: 'a%0Ab' })).not.toBe(labelOf({ kind: 'user', name: 'a\nb' }));
});

test('a long label is truncated and ends in a hash of the full label', () => {
  const [one, other] = ['a', 'b'].map((end) => labelOf({ kind: 'user', name: `${'x'.repeat(300)}${end}` }));
  expect(one).toHaveLength(255);
  expect(one).toMatch(/~[0-9a-f]{32}$/);
  expect(one).not.toBe(other);
  // A name that looks like a cut label is encoded.
  expect(labelOf({ kind: 'user', name: one?.slice('user:'.length) ?? '' })).not.toBe(one);
});
