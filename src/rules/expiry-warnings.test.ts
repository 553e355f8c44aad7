import { expect, test } from 'bun:test';
import { A, CALLER, openRegistry, tag, text } from '../../test/support/registry.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import { ExpiryWarnings } from './expiry-warnings.ts';

const bytes = text(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }));

test('clients are warned of a tag that is deleted within a day, on push, pull and HEAD, and of no other tag', async () => {
  const registry = new ExpiryWarnings(openRegistry().registry, {
    isExpiring: (repo, name, digest) => repo === A && name === 'old' && digest === pushed.digest,
    expiresWhenPushed: (_, name) => name.startsWith('short'),
  });
  const push = (...tags: string[]) =>
    registry.pushManifest(A, { bytes, contentType: OCI_INDEX, digest: undefined, tags: tags.map(tag) }, CALLER);
  const pushed = await push('old', 'new');
  expect(pushed.warnings).toBeUndefined();
  const warning = (name: string) => `retention deletes the tag ${name} within 24 hours unless it is pushed again`;
  expect((await push('short-1', 'new', 'short-2')).warnings).toEqual([warning('short-1'), warning('short-2')]);
  for (const [name, warnings] of [
    ['old', [warning('old')]],
    ['new', undefined],
  ] as const) {
    const reference = { kind: 'tag', tag: tag(name) } as const;
    expect((await registry.getManifest(A, reference, CALLER)).warnings).toEqual(warnings);
    expect((await registry.resolveManifest(A, reference, CALLER)).warnings).toEqual(warnings);
    expect((await registry.renewManifest(A, reference, CALLER)).warnings).toEqual(warnings);
  }
  const byDigest = { kind: 'digest', digest: pushed.digest } as const;
  expect((await registry.getManifest(A, byDigest, CALLER)).warnings).toBeUndefined();
});
