import { expect, test } from 'bun:test';
import { A, ACTOR, refusalOf } from '../../test/support/registry.ts';
import { TestRepeats } from '../../test/support/repeats.ts';
import type { UploadId } from '../oci/names.ts';
import { type Claim, type ClaimAnswer, RenewedLease } from './renewed-lease.ts';
import type { Session } from './sessions.ts';

const session: Session = {
  ...{ repo: A, actor: ACTOR.id, id: '01234567-89ab-8def-8123-456789abcdef' as UploadId },
  ...{ createdAt: 0, algorithm: 'sha256', offset: 0 },
};

/** A lease whose claim gives the test's answers, and a record of the operations on the claim. */
function open() {
  const repeats = new TestRepeats();
  const done: string[] = [];
  const failures: string[] = [];
  const next: { answer: ClaimAnswer | Error } = { answer: 'held' };
  const answer = async (what: string): Promise<ClaimAnswer> => {
    done.push(what);
    if (next.answer instanceof Error) throw next.answer;
    return next.answer;
  };
  const claim: Claim = {
    save: () => answer('save'),
    extend: () => answer('extend'),
    end: () => answer('end'),
    release: async () => {
      await answer('release');
    },
  };
  const lease = new RenewedLease(session, false, claim, {
    repeat: repeats.repeat,
    renewal: 1,
    failed: (error) => failures.push(String(error)),
    released: () => done.push('released'),
  });
  return { lease, repeats, done, failures, next };
}

test('is extended until it is released', async () => {
  const { lease, repeats, done } = open();
  await repeats.fire();
  await lease.save(session);
  await lease.release();
  await repeats.fire();
  expect([done, repeats.size]).toEqual([['extend', 'save', 'release', 'released'], 0]);
});

test('that another holder took is no longer extended, and every save fails', async () => {
  const { lease, repeats, done, next } = open();
  next.answer = 'deposed';
  await repeats.fire();
  next.answer = 'held';
  expect(await refusalOf(lease.save(session))).toBe('upload-busy');
  expect(await refusalOf(lease.end())).toBe('upload-busy');
  await lease.release();
  expect([done, repeats.size]).toEqual([['extend', 'released'], 0]);
});

test('of a session that is gone fails with `upload-unknown`', async () => {
  const { lease, next, done } = open();
  next.answer = 'unknown';
  expect(await refusalOf(lease.save(session))).toBe('upload-unknown');
  await lease.release();
  expect(done).toEqual(['save', 'released']);
});

test('survives a renewal without an answer, which is reported, and its release does not fail', async () => {
  const { lease, repeats, done, failures, next } = open();
  next.answer = new Error('no answer');
  await repeats.fire();
  next.answer = 'held';
  await lease.save(session);
  next.answer = new Error('away');
  await lease.release();
  expect(failures).toEqual(['Error: no answer', 'Error: away']);
  expect(done).toEqual(['extend', 'save', 'release', 'released']);
});

test('that ended is neither extended nor released', async () => {
  const { lease, repeats, done } = open();
  await lease.end();
  await repeats.fire();
  await lease.release();
  expect(done).toEqual(['end', 'released']);
});
