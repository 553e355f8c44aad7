// The checker of the drills: what it permits, and that it detects each kind of loss.
import { expect, test } from 'bun:test';
import { History, type Value } from './history.ts';

const REPO = 'a';

function possible(prepare: (history: History) => void): Value[] {
  const history = new History();
  prepare(history);
  return [...history.tag(REPO, 't').possible()].sort();
}

function set(history: History, digest: string) {
  return history.begin([history.manifest(REPO, digest), 'present'], [history.tag(REPO, 't'), digest]);
}

function drop(history: History, digest: string) {
  return history.begin([history.manifest(REPO, digest), undefined]);
}

test('an acknowledged write must be neither lost nor undone', () => {
  const pushed = (history: History) => {
    set(history, 'x').acknowledge();
    set(history, 'y').acknowledge();
  };
  expect(possible(pushed)).toEqual(['y']);
});

test('a write in flight may have happened or not', () => {
  const pushed = (history: History) => {
    set(history, 'x').acknowledge();
    set(history, 'y');
  };
  expect(possible(pushed)).toEqual(['x', 'y']);
});

test('of two concurrent writes either may have been the last', () => {
  const pushed = (history: History) => {
    const first = set(history, 'x');
    const second = set(history, 'y');
    first.acknowledge();
    second.acknowledge();
  };
  expect(possible(pushed)).toEqual(['x', 'y']);
});

test('a refused write did nothing', () => {
  expect(possible((history) => set(history, 'x').refuse())).toEqual([undefined]);
});

test('a deleted manifest must not come back, unless it was pushed again in the meantime', () => {
  const deleted = (history: History) => {
    set(history, 'x').acknowledge();
    history.begin([history.tag(REPO, 't'), undefined]).acknowledge();
  };
  expect(possible(deleted)).toEqual([undefined]);
  const pushedMeanwhile = (history: History) => {
    deleted(history);
    set(history, 'x');
  };
  expect(possible(pushedMeanwhile)).toEqual(['x', undefined]);
});

test('deleting a manifest removes its tags, except those that moved', () => {
  const moved = (history: History) => {
    set(history, 'x').acknowledge();
    set(history, 'y').acknowledge();
  };
  const deleted = (digest: string) => (history: History) => {
    moved(history);
    drop(history, digest).acknowledge();
  };
  expect(possible(deleted('y'))).toEqual([undefined]);
  expect(possible(deleted('x'))).toEqual(['y']);
  const deleting = (history: History) => {
    moved(history);
    drop(history, 'y');
  };
  expect(possible(deleting)).toEqual(['y', undefined]);
});

test('a tag set concurrently with the deletion of its manifest may exist or not', () => {
  const both = (history: History) => {
    const deleting = drop(history, 'x');
    set(history, 'x').acknowledge();
    deleting.acknowledge();
  };
  expect(possible(both)).toEqual(['x', undefined]);
});

test('after an observation, history starts from what was observed', () => {
  const seen = (history: History) => {
    set(history, 'x').acknowledge();
    set(history, 'y');
    history.tag(REPO, 't').settle('y');
    history.manifest(REPO, 'y').settle('present');
  };
  expect(possible(seen)).toEqual(['y']);
  const dropped = (history: History) => {
    seen(history);
    drop(history, 'y').acknowledge();
  };
  expect(possible(dropped)).toEqual([undefined]);
});

test('a read may return the state when it was sent, or any write that started later', () => {
  const history = new History();
  set(history, 'x').acknowledge();
  const tag = history.tag(REPO, 't');
  const quiet = history.watch(tag);
  expect([...quiet()]).toEqual(['x']);
  const busy = history.watch(tag);
  set(history, 'y').acknowledge();
  drop(history, 'y').acknowledge();
  expect([...busy()].sort()).toEqual(['x', 'y', undefined]);
  expect([...history.watch(tag)()]).toEqual([undefined]);
});
