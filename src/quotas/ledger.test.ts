import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Quota, RESOURCES } from '../access/rules/quota.ts';
import type { RepositoryUsage } from '../journal/state.ts';
import type { RepositoryName } from '../oci/names.ts';
import { type Cost, Ledger, type Reservation } from './ledger.ts';

const [A, B, C] = ['a', 'b', 'c'] as RepositoryName[] as [RepositoryName, RepositoryName, RepositoryName];
const NAMES = [A, B, C];

function quota(name: string, repositories: readonly string[], allowed: Quota['allowed']): Quota {
  return { name, patterns: repositories, matches: (repo) => repositories.includes(repo), allowed };
}

const usage = (seq: number, bytes: number, tags = 0, exists = true): RepositoryUsage => ({ seq, exists, bytes, tags });
const bytes = (number: number): Cost => ({ bytes: number, tags: 0, slots: 0 });

/** What the first quota's repositories use. */
function used(ledger: Ledger): unknown {
  return ledger.used[0]?.used;
}

const quotas = fc
  .array(
    fc.record({
      repositories: fc.subarray(NAMES),
      allowed: fc.record(
        { bytes: fc.nat(100), repositories: fc.nat(3), tags: fc.nat(10), slots: fc.nat(100) },
        { requiredKeys: [] },
      ),
    }),
    { maxLength: 3 },
  )
  .map((some) => some.map(({ repositories, allowed }, index) => quota(`q${index}`, repositories, allowed)));
const wanted = fc.record({ bytes: fc.nat(50), tags: fc.nat(3), slots: fc.nat(2) });
const steps = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('count' as const),
      repo: fc.constantFrom(...NAMES),
      usage: fc.oneof(
        fc.record({ seq: fc.integer({ min: 1, max: 20 }), exists: fc.boolean(), bytes: fc.nat(100), tags: fc.nat(10) }),
        fc.constant(usage(0, 0, 0, false)),
      ),
    }),
    fc.record({ kind: fc.constant('reserve' as const), repo: fc.constantFrom(...NAMES), wanted }),
    fc.record({ kind: fc.constant('want' as const), which: fc.nat(), wanted }),
    fc.record({ kind: fc.constant('release' as const), which: fc.nat() }),
    fc.record({ kind: fc.constant('use' as const), quotas }),
  ),
  { maxLength: 40 },
);

describe('the ledger', () => {
  test('has for each quota the total usage of its repositories, after any operations', () => {
    fc.assert(
      fc.property(quotas, steps, (first, some) => {
        const ledger = new Ledger();
        ledger.use(first);
        let current = first;
        const newest = new Map<RepositoryName, RepositoryUsage>();
        const open: Reservation[] = [];
        for (const step of some) {
          switch (step.kind) {
            case 'count': {
              if (current.some(({ matches }) => matches(step.repo))) {
                if ((newest.get(step.repo)?.seq ?? 0) <= step.usage.seq) newest.set(step.repo, step.usage);
              }
              ledger.count(step.repo, step.usage);
              break;
            }
            case 'reserve': {
              const reservation = ledger.reserve(step.repo);
              reservation.want(step.wanted);
              open.push(reservation);
              break;
            }
            case 'want':
              open[step.which % Math.max(1, open.length)]?.want(step.wanted);
              break;
            case 'release': {
              const [reservation] = open.splice(step.which % Math.max(1, open.length), 1);
              reservation?.release();
              reservation?.release();
              break;
            }
            case 'use':
              ledger.use(step.quotas);
              current = step.quotas;
              for (const repo of NAMES) if (!current.some(({ matches }) => matches(repo))) newest.delete(repo);
              break;
          }
        }
        for (const reservation of open) reservation.release();
        const expected = current.map(({ matches }) => {
          const existing = [...newest].filter(([repo, { exists }]) => matches(repo) && exists);
          const sum = (of: (usage: RepositoryUsage) => number) => existing.reduce((all, [, each]) => all + of(each), 0);
          return {
            bytes: sum((each) => each.bytes),
            repositories: existing.length,
            tags: sum((each) => each.tags),
            slots: sum((each) => each.seq),
          };
        });
        expect(ledger.used.map((each) => each.used)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  test('never reserves more than is allowed, for any concurrent writes', () => {
    const wants = fc.array(
      fc.record({ repo: fc.constantFrom(...NAMES), wanted, again: wanted, releases: fc.boolean() }),
    );
    fc.assert(
      fc.property(quotas, wants, (some, all) => {
        const ledger = new Ledger();
        ledger.use(some);
        for (const { repo, wanted: first, again, releases } of all) {
          const reservation = ledger.reserve(repo);
          reservation.want(first);
          const held = reservation.held;
          if (reservation.want(again) !== undefined) expect(reservation.held).toEqual(held);
          if (releases) reservation.release();
          for (const {
            quota: { allowed },
            used: now,
          } of ledger.used)
            for (const resource of RESOURCES) expect(now[resource]).toBeLessThanOrEqual(allowed[resource] ?? Infinity);
        }
      }),
    );
  });

  test('keeps the count of the newest slot, in any order of counts', () => {
    const ledger = new Ledger();
    ledger.use([quota('q', [A, B], { bytes: 10 })]);
    ledger.count(A, usage(5, 50, 2));
    ledger.count(A, usage(4, 40));
    ledger.count(B, usage(1, 1));
    ledger.count(C, usage(9, 9));
    expect(used(ledger)).toEqual({ bytes: 51, repositories: 2, tags: 2, slots: 6 });
    ledger.count(A, usage(6, 0, 0, false));
    ledger.count(A, usage(5, 50));
    expect(used(ledger)).toEqual({ bytes: 1, repositories: 1, tags: 0, slots: 1 });
    expect([...ledger.existing()]).toEqual([B]);
  });

  test('counts a repository once if several writes may create it', () => {
    const ledger = new Ledger();
    ledger.use([quota('q', [A, B], { repositories: 1 })]);
    const [first, second, other] = [ledger.reserve(A), ledger.reserve(A), ledger.reserve(B)];
    expect([first.want(bytes(1)), second.want(bytes(1))]).toEqual([undefined, undefined]);
    expect(other.want(bytes(1))).toMatchObject({ resource: 'repositories', used: 1, added: 1, allowed: 1 });
    first.release();
    expect(other.want(bytes(1))).toMatchObject({ resource: 'repositories' });
    second.release();
    expect(other.want(bytes(1))).toBeUndefined();
  });

  test('refuses only increases if a quota is already exceeded', () => {
    const ledger = new Ledger();
    ledger.use([quota('q', [A], { bytes: 10, tags: 5 })]);
    ledger.count(A, usage(3, 20, 1));
    const reservation = ledger.reserve(A);
    expect(reservation.want(bytes(0))).toBeUndefined();
    expect(reservation.want({ bytes: 0, tags: 4, slots: 1 })).toBeUndefined();
    expect(reservation.want({ bytes: 1, tags: 4, slots: 1 })).toMatchObject({ resource: 'bytes', used: 20, added: 1 });
  });

  test('keeps nothing about a name without a log', () => {
    const ledger = new Ledger();
    ledger.use([quota('q', [A], {})]);
    const reservation = ledger.reserve(A);
    reservation.want(bytes(1));
    ledger.count(A, usage(0, 0, 0, false));
    expect(ledger.counted(A)).toBeDefined();
    reservation.release();
    expect(ledger.counted(A)).toBeUndefined();
  });
});
