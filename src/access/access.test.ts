import { expect, test } from 'bun:test';
import type { RepositoryName } from '../oci/names.ts';
import { ANONYMOUS, openAccess } from './access.ts';

test('a registry without accounts lets everybody do everything', () => {
  for (const action of ['pull', 'push', 'delete'] as const) {
    expect(openAccess.allows(ANONYMOUS, action, 'a' as RepositoryName)).toBe(true);
  }
});
