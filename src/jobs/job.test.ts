import { expect, test } from 'bun:test';
import type { RepositoryName } from '../oci/names.ts';
import { type Job, KINDS, keyOf, parseJob, parseKind } from './job.ts';

const job: Job = { kind: 'snapshot', repo: 'team/app' as RepositoryName };

test('a payload from a queue is a job of its kind, or invalid', () => {
  expect(parseJob('snapshot', JSON.parse(JSON.stringify(job)))).toEqual(job);
  expect(parseJob('expire-uploads', { kind: 'expire-uploads' })).toEqual({ kind: 'expire-uploads' });
  for (const wrong of [undefined, null, '', {}, { kind: 'snapshot' }, { ...job, repo: '../up' }, { ...job, repo: 1 }]) {
    expect(parseJob('snapshot', wrong)).toBeUndefined();
  }
  expect(parseJob('expire-uploads', job)).toBeUndefined();
});

test('fields that a newer version adds to a job are dropped', () => {
  expect(parseJob('snapshot', { ...job, urgent: true })).toEqual(job);
});

test('jobs with the same key do the same work', () => {
  expect(keyOf(job)).toBe('snapshot:team/app');
  expect(keyOf({ kind: 'expire-uploads' })).toBe('expire-uploads');
  expect(keyOf({ kind: 'retain', dryRun: true })).not.toBe(keyOf({ kind: 'retain' }));
  expect(KINDS.map(parseKind)).toEqual([...KINDS]);
  expect(parseKind('nothing')).toBeUndefined();
});
