import { expect, test } from 'bun:test';
import { A, CALLER, refusalOf } from '../../../test/support/registry.ts';
import { openAccess } from '../../access/access.ts';
import { RegistryError } from '../../oci/errors.ts';
import type { StorageReport } from '../../overview/interface.ts';
import { Explanations } from '../../retention/explanations.ts';
import { loadStorage } from './load-storage.ts';

const REPORT: StorageReport = {
  ...{ repositories: [], rest: { count: 0, bytes: 0 }, largest: [], oldest: [], knowsPulls: false },
  ...{ expiring: [], isComplete: true },
};
const ITEM = { name: A, bytes: 1, shared: 0, parts: [], rest: { count: 0, bytes: 0 } };

/** @param folded counts how often the log is folded; the repository has none */
async function load(report: StorageReport, folded: () => void) {
  const retention = new Explanations({
    access: openAccess,
    ruleFor: () => undefined,
    stateOf: async () => {
      folded();
      throw new RegistryError('name-unknown', 'there is no repository');
    },
    pulls: async () => () => () => 0,
    yieldToRequests: async () => {},
    now: Date.now,
  });
  const overview = { storage: async () => report, totals: async () => expect.unreachable() };
  return await loadStorage(A, CALLER, { overview, retention, policy: openAccess });
}

test('without a rule the log of a repository in the index is not read', async () => {
  let folds = 0;
  const data = await load({ ...REPORT, repositories: [ITEM] }, () => folds++);
  expect(data).toMatchObject({ kind: 'repository', kept: undefined });
  expect(folds).toBe(0);
});

test('whether a repository exists that the index does not have, its log says', async () => {
  let folds = 0;
  expect(await refusalOf(load(REPORT, () => folds++))).toBe('name-unknown');
  expect(folds).toBeGreaterThan(0);
});
