import { expect, test } from 'bun:test';
import type { RepositoryName } from '../oci/names.ts';
import { ANONYMOUS, openAccess } from './access.ts';

test('a registry without accounts lets everybody do everything', () => {
  for (const action of ['pull', 'push', 'delete'] as const) {
    const caller = { actor: ANONYMOUS, signal: new AbortController().signal };
    expect(openAccess.allows(caller, action, 'a' as RepositoryName)).toBe(true);
  }
});
