import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { digests } from '../../../test/support/generators.ts';
import { tag } from '../../../test/support/registry.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { Digest } from '../../oci/names.ts';
import type { Reference, TagCondition } from '../../registry/interface.ts';
import { tagCondition } from './tag-condition.ts';

const LATEST: Reference = { kind: 'tag', tag: tag('latest') };
const D = `sha256:${'a'.repeat(64)}` as Digest;

function parsed(
  headers: Readonly<Record<string, string>>,
  { method = 'PUT', reference = LATEST }: { readonly method?: string; readonly reference?: Reference } = {},
): TagCondition | undefined | 'refused' {
  try {
    return tagCondition(new Request('http://registry.example/', { method, headers }), reference);
  } catch (error) {
    if (error instanceof RegistryError && error.kind === 'request-invalid') return 'refused';
    throw error;
  }
}

describe('the condition of a write', () => {
  test('is absent without its headers', () => {
    expect(parsed({})).toBeUndefined();
    expect(parsed({ 'If-Modified-Since': 'Sat, 29 Oct 1994 19:43:31 GMT' })).toBeUndefined();
  });

  test('is any list of digests in If-Match, with any spacing and empty elements', () => {
    const lists = fc.array(digests, { minLength: 1, maxLength: 5 });
    const separators = fc.constantFrom(',', ', ', ' ,', ',,', ' , ,\t');
    fc.assert(
      fc.property(lists, separators, (expected, separator) => {
        const header = expected.map((digest) => `"${digest}"`).join(separator);
        for (const method of ['PUT', 'DELETE']) {
          expect(parsed({ 'If-Match': header }, { method })).toEqual({ kind: 'is', digests: expected });
        }
      }),
    );
  });

  test('is that the tag exists for If-Match: *, and that it does not for If-None-Match: *', () => {
    expect(parsed({ 'If-Match': '*' })).toEqual({ kind: 'exists' });
    expect(parsed({ 'If-Match': ' * ' }, { method: 'DELETE' })).toEqual({ kind: 'exists' });
    expect(parsed({ 'If-None-Match': '*' })).toEqual({ kind: 'absent' });
  });

  test.each([
    D,
    `"${D}`,
    `${D}"`,
    `'${D}'`,
    `W/"${D}"`,
    `"${D}", W/"${D}"`,
    `"${D}""${D}"`,
    `"${D}" "${D}"`,
    `"${D},${D}"`,
    `"${D}", *`,
    '"latest"',
    '""',
    '"',
    ',',
    '**',
    '"*"',
    `"${D}0"`,
  ])('is refused if If-Match is malformed or can never hold: %s', (header) => {
    expect(parsed({ 'If-Match': header })).toBe('refused');
  });

  test('is refused rather than ignored if Marina does not support it', () => {
    expect(parsed({ 'If-None-Match': `"${D}"` })).toBe('refused');
    expect(parsed({ 'If-None-Match': '*' }, { method: 'DELETE' })).toBe('refused');
    expect(parsed({ 'If-None-Match': '*', 'If-Match': '*' })).toBe('refused');
    const date = 'Sat, 29 Oct 1994 19:43:31 GMT';
    expect(parsed({ 'If-Unmodified-Since': date })).toBe('refused');
    expect(parsed({ 'If-Unmodified-Since': date, 'If-Match': `"${D}"` }, { method: 'DELETE' })).toBe('refused');
    const reference: Reference = { kind: 'digest', digest: D };
    expect(parsed({ 'If-Match': `"${D}"` }, { reference })).toBe('refused');
    expect(parsed({ 'If-None-Match': '*' }, { reference })).toBe('refused');
  });

  test('never fails otherwise, whatever the header', () => {
    const values = fc.string({ unit: fc.constantFrom('"', ',', ' ', '*', 'W', '/', 'a', ':', D) });
    fc.assert(
      fc.property(values, (header) => {
        const condition = parsed({ 'If-Match': header });
        expect(condition === 'refused' || condition?.kind === 'is' || condition?.kind === 'exists').toBe(true);
      }),
    );
  });
});
