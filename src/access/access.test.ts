import { expect, test } from 'bun:test';
import type { RepositoryName } from '../oci/names.ts';
import { ANONYMOUS_CALLER, openAccess } from './access.ts';

test('a registry without access control allows everyone everything', () => {
  for (const action of ['pull', 'push', 'create', 'delete'] as const) {
    expect(openAccess.allows(ANONYMOUS_CALLER, action, 'a' as RepositoryName)).toBe(true);
  }
  for (const action of ['catalog', 'metrics', 'admin'] as const) {
    expect(openAccess.allowsRegistry(ANONYMOUS_CALLER, action)).toBe(true);
  }
});
