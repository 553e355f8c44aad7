import { expect, test } from 'bun:test';
import type { RepositoryName } from '../oci/names.ts';
import { anonymous, openAccess } from './access.ts';

test('a registry without accounts lets everybody do everything, and names them by their address', () => {
  const actor = anonymous('192.0.2.1');
  expect(actor).toEqual({ id: 'anonymous', label: 'anonymous@192.0.2.1' });
  expect(anonymous(undefined).label).toBe('anonymous');
  for (const action of ['pull', 'push', 'delete'] as const) {
    expect(openAccess.allows(actor, action, 'a' as RepositoryName)).toBe(true);
  }
});
