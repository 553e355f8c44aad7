import { expect, test } from 'bun:test';
import type { Change } from '../feed/change.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import { FORMATS } from './formats/formats.ts';
import { rendered } from './rendering.ts';
import { deliveryId } from './signed-headers.ts';
import { FORMAT_NAMES } from './webhook.ts';

const REGISTRY = { url: 'https://r.example', host: 'r.example', store: 'S' };

function change(seq: number): Change {
  return {
    ...{ id: `a@${seq}.0`, repository: 'a' as RepositoryName, seq, index: 0, time: '2026-11-28T10:15:00.250Z' },
    ...{ type: 'tag.set', tag: 't' as Tag, digest: `sha256:${'0'.repeat(64)}` as Digest },
  };
}

const CHANGES = [change(1), change(2), change(3)];
const [FIRST = change(1), ...REST] = CHANGES;

test.each(FORMAT_NAMES)('%s is rendered once for those who deliver the same changes together', (format) => {
  const some = FORMATS[format].maxChanges === 1 ? [FIRST] : CHANGES;
  const once = rendered(format, some, REGISTRY);
  expect(once).toMatchObject({ body: FORMATS[format].render(some, REGISTRY), id: deliveryId(some) });
  expect(rendered(format, [...some], REGISTRY)).toBe(once);
});

test('other changes, another registry or another format is rendered again', () => {
  const texts = [
    rendered('distribution', CHANGES, REGISTRY),
    rendered('distribution', [FIRST, ...REST.slice(1)], REGISTRY),
    rendered('distribution', [FIRST], REGISTRY),
    rendered('distribution', CHANGES, { ...REGISTRY, host: 'other.example' }),
    rendered('cloudevents-batch', CHANGES, REGISTRY),
  ].map(({ body }) => body);
  expect(new Set(texts).size).toBe(texts.length);
});
