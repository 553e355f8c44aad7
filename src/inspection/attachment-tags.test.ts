import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { digests, tags } from '../../test/support/generators.ts';
import { attachedTo, attachingTags } from './attachment-tags.ts';

test('the tags of a manifest lead back to it', () => {
  fc.assert(
    fc.property(digests, (digest) => {
      const found = attachingTags(digest);
      expect(found.map((tag) => attachedTo(tag)?.subject)).toEqual(found.map(() => digest));
      if (digest.startsWith('sha256:')) {
        expect(found.map((tag) => attachedTo(tag)?.ending)).toEqual(['sig', 'att', 'sbom', '']);
      }
    }),
  );
});

test('other tags attach nothing', () => {
  fc.assert(
    fc.property(tags, (tag) => {
      fc.pre(!tag.startsWith('sha256-') && !tag.startsWith('sha512-'));
      expect(attachedTo(tag)).toBeUndefined();
    }),
  );
  const hex = 'a'.repeat(64);
  for (const tag of [`sha256-${hex}.asc`, `sha256-${hex}a`, `sha1-${hex}`, `sha256-${hex.slice(1)}.sig`, 'sha256-']) {
    expect(attachedTo(tag)).toBeUndefined();
  }
});
