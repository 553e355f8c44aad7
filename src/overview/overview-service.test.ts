import { expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countingIncarnations } from '../../test/support/deterministic.ts';
import { raise } from '../../test/support/raise.ts';
import { A, B, CALLER, refusalOf } from '../../test/support/registry.ts';
import { type AccessPolicy, openAccess } from '../access/access.ts';
import { digestFromHex } from '../oci/digest.ts';
import { IndexFile } from './index-file.ts';
import { IndexWriter } from './index-writer.ts';
import { OverviewService } from './overview-service.ts';
import { openIndex } from './schema.ts';

test('a repository that is added while it is decided what the caller may see is not in the answer', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'overview-'));
  const file = new IndexFile(folder, 'test', raise);
  const writer = new IndexWriter(file.writer);
  const newIncarnation = countingIncarnations(Date.now);
  const add = (repo: typeof A): void => {
    const digest = digestFromHex('sha256', 'ab'.repeat(32));
    writer.begin();
    const events = [{ type: 'blob.linked', digest, size: 10, inc: newIncarnation() } as const];
    for (const _ of writer.apply({ repo, seq: 1, at: new Date().toISOString(), events }));
    writer.commit();
  };
  add(A);
  let isAdded = false;
  const access: AccessPolicy = {
    ...openAccess,
    allows: (_, _action, repo) => {
      if (!isAdded) add(B);
      isAdded = true;
      return repo === A;
    },
    allowsRegistry: () => false,
  };
  const database = openIndex(file.path);
  const overview = new OverviewService({
    ...{ database, access, now: Date.now, garbage: async () => undefined, pulls: async () => undefined },
    expiring: () => [],
    caughtUp: async () => true,
  });
  expect(await overview.totals(CALLER)).toMatchObject({ repositories: 1, bytes: 10 });
  isAdded = true;
  expect(await overview.totals(CALLER)).toMatchObject({ repositories: 1, bytes: 10 });
  database.close();
  file.close();
  rmSync(folder, { recursive: true });
});

test.each([true, false])('a repository that a complete (%p) index does not have', async (isComplete) => {
  const folder = mkdtempSync(join(tmpdir(), 'overview-'));
  const file = new IndexFile(folder, 'test', raise);
  const database = openIndex(file.path);
  const overview = new OverviewService({
    ...{ database, access: openAccess, now: Date.now, garbage: async () => undefined, pulls: async () => undefined },
    expiring: () => [],
    caughtUp: async () => isComplete,
  });
  const answer = overview.tags(A, { sort: 'time', offset: 0, limit: 10 }, CALLER);
  // The log has it: after a start its page must not say that it does not exist.
  if (isComplete) expect(await refusalOf(answer)).toBe('name-unknown');
  else expect(await answer).toEqual({ items: [], count: 0, folded: 0, more: false, isComplete });
  database.close();
  file.close();
  rmSync(folder, { recursive: true });
});
