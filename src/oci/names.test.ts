import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { incarnations, repositoryNames, tags, uploadIds } from '../../test/support/generators.ts';
import { processorMs } from '../../test/support/processor-time.ts';
import { parseIncarnation, parseRepositoryName, parseTag, parseUploadId } from './names.ts';

const long = 'a'.repeat(255);
/** One too many for any name, so that a regular expression that backtracks would be noticed. */
const hostile = ['a-'.repeat(50_000), `${'a/'.repeat(50_000)}A`, `${'a'.repeat(100_000)}!`, `a${'_'.repeat(100_000)}`];

describe('repository names', () => {
  test.each([
    ...['a', '0', 'a/b', 'a.b', 'a_b', 'a__b', 'a-b', 'a---b', 'a/b/c/d/e', '0/1', long, `a/${'b'.repeat(253)}`],
    ...['blobs/blobs', 'manifests/tags', 'a/blobs/uploads', 'v2', 'tags/list', 'localhost/x', '127.0.0.1'],
  ])('%s is one', (text) => {
    expect(parseRepositoryName(text)).toBe(text as ReturnType<typeof parseRepositoryName> & string);
  });

  test.each([
    ...['', '/', 'a/', '/a', 'a//b', 'A', 'aB', 'é', 'a b', 'a\n', '\na', 'a\0', 'a%2fb', 'a\\b', 'a:b', 'a@b', 'a+b'],
    ...[
      '.',
      '..',
      '.a',
      'a.',
      'a..b',
      'a/../b',
      '../a',
      'a/.',
      '-a',
      'a-',
      '_a',
      'a_',
      'a___b',
      'a._b',
      'a.-b',
      'a-_b',
    ],
    ...['_log', 'a/_log', '_catalog', 'a/_snap/b', `${long}a`],
  ])('%j is none', (text) => {
    expect(parseRepositoryName(text)).toBeUndefined();
  });

  test('generated ones are all legal', () => {
    fc.assert(fc.property(repositoryNames, (name) => expect(parseRepositoryName(name)).toBe(name)));
  });
});

describe('tags', () => {
  test.each(['latest', '1', '_', '_a', 'A.b-C_d', '1.0', 'a..b', 'a--', 'a.', 'blobs', 'list', 'a'.repeat(128)])(
    '%s is one',
    (text) => {
      expect(parseTag(text)).toBe(text as ReturnType<typeof parseTag> & string);
    },
  );

  test.each(['', '.', '..', '.a', '-a', 'a/b', 'a:b', 'a b', 'a+b', 'a\n', '\na', 'a\0', 'é', 'a%20', 'a'.repeat(129)])(
    '%j is none',
    (text) => {
      expect(parseTag(text)).toBeUndefined();
    },
  );

  test('generated ones are all legal', () => {
    fc.assert(fc.property(tags, (tag) => expect(parseTag(tag)).toBe(tag)));
  });
});

describe('incarnations and upload ids', () => {
  test('generated ones are all legal, in this spelling only', () => {
    fc.assert(
      fc.property(incarnations, uploadIds, (inc, upload) => {
        expect(parseIncarnation(inc)).toBe(inc);
        expect(parseUploadId(upload)).toBe(upload);
        if (/[A-Z]/.test(inc)) expect(parseIncarnation(inc.toLowerCase())).toBeUndefined();
        if (/[a-f]/.test(upload)) expect(parseUploadId(upload.toUpperCase())).toBeUndefined();
      }),
    );
  });

  test.each(['', '01ARZ3NDEKTSV4RRFFQ69G5FA', '81ARZ3NDEKTSV4RRFFQ69G5FAV', '01ARZ3NDEKTSV4RRFFQ69G5FAI', '../x'])(
    '%j is no incarnation',
    (text) => {
      expect(parseIncarnation(text)).toBeUndefined();
    },
  );

  test.each(['', 'x', '00000000-0000-4000-8000-00000000000', '00000000-0000-4000-8000-000000000000\n', '../../etc'])(
    '%j is no upload id',
    (text) => {
      expect(parseUploadId(text)).toBeUndefined();
    },
  );
});

test('hostile texts are looked at in no time', () => {
  const took = processorMs(() => {
    for (const text of hostile) {
      for (const parse of [parseRepositoryName, parseTag, parseIncarnation, parseUploadId])
        expect(parse(text)).toBeUndefined();
      // Short enough for a name, long enough to backtrack.
      expect(parseRepositoryName(`${text.slice(0, 254)}!`)).toBeUndefined();
    }
  });
  expect(took).toBeLessThan(1_000);
});
