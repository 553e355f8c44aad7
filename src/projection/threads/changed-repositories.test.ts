import { expect, test } from 'bun:test';
import type { RepositoryName } from '../../oci/names.ts';
import { ChangedRepositories } from './changed-repositories.ts';
import { type Count, Heads } from './heads.ts';

const [A, B] = ['team/a', 'team/b'] as [RepositoryName, RepositoryName];

test('repositories that any thread wrote to since the last look are found, each once', () => {
  const memory = Heads.allocate();
  const [mine, theirs] = [new Heads(memory), new Heads(memory)];
  const changed = new ChangedRepositories(mine);
  for (const repo of [A, B]) changed.follow(repo);
  expect(changed.take()).toEqual([]);
  theirs.of(B).countSlot(0n as Count);
  theirs.of(B).countSlot(1n as Count);
  expect(changed.take()).toEqual([B]);
  expect(changed.take()).toEqual([]);
});

test('a repository that another thread creates is found, and followed from then on', () => {
  const memory = Heads.allocate();
  const [mine, theirs] = [new Heads(memory), new Heads(memory)];
  const changed = new ChangedRepositories(mine);
  theirs.of(A).countExistence();
  expect(changed.take()).toEqual([A]);
  theirs.of(A).countSlot(0n as Count);
  expect(changed.take()).toEqual([A]);
});

test('after more new repositories than have a place all must be listed, once', () => {
  const heads = new Heads(Heads.allocate());
  const changed = new ChangedRepositories(heads);
  for (let index = 0; index < 2_000; index++) heads.of(`team/r${index}` as RepositoryName).countExistence();
  expect(changed.take()).toBeUndefined();
  expect(changed.take()).toEqual([]);
});
