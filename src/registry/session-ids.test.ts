import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { algorithms, repositoryNames } from '../../test/support/generators.ts';
import { parseUploadId, type UploadId } from '../oci/names.ts';
import { createdAtOf, SessionIds } from './session-ids.ts';

const ids = new SessionIds('01ARZ3NDEKTSV4RRFFQ69G5FAV');
const others = new SessionIds('01ARZ3NDEKTSV4RRFFQ69G5FAW');
const times = fc.integer({ min: 0, max: 2 ** 48 - 1 });

describe('session ids', () => {
  test('are UUIDs that carry their values, readable only for their owner in their store', () => {
    fc.assert(
      fc.property(repositoryNames, fc.string(), times, algorithms, (repo, actor, createdAt, algorithm) => {
        const id = ids.mint({ repo, actor }, { createdAt, algorithm });
        expect(parseUploadId(id)).toBe(id);
        expect(id).toMatch(/^.{14}8.{4}[89ab]/);
        expect(createdAtOf(id)).toBe(createdAt);
        expect(ids.read(id, { repo, actor })).toEqual({ createdAt, algorithm });
        expect(ids.read(id, { repo, actor: `${actor}x` })).toBeUndefined();
        expect(ids.read(id, { repo: `${repo}x` as typeof repo, actor })).toBeUndefined();
        expect(others.read(id, { repo, actor })).toBeUndefined();
      }),
    );
  });

  test('with any changed digit are invalid for every owner', () => {
    const owner = { repo: 'a' as Parameters<SessionIds['mint']>[0]['repo'], actor: 'b' };
    const id = ids.mint(owner, { createdAt: 1_900_000_000_000, algorithm: 'sha256' });
    for (const [index, digit] of [...id].entries()) {
      if (digit === '-') continue;
      const changed = `${id.slice(0, index)}${digit === '0' ? '1' : '0'}${id.slice(index + 1)}` as UploadId;
      expect(ids.read(changed, owner)).toBeUndefined();
    }
  });

  test('are unique', () => {
    const owner = { repo: 'a' as Parameters<SessionIds['mint']>[0]['repo'], actor: 'b' };
    const made = Array.from({ length: 1000 }, () => ids.mint(owner, { createdAt: 1, algorithm: 'sha512' }));
    expect(new Set(made).size).toBe(1000);
  });
});
