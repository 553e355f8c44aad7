import { type Batch, type JournalEvent, recordOf } from '../../journal/events.ts';
import type { RepositoryState } from '../../journal/fold.ts';
import { unreachable } from '../../oci/errors.ts';
import { encodeLink, encodeRecord, listsOf } from './records.ts';

/** A change in the form that apply.lua and build.lua expect: a kind and three words. */
export type Operation = readonly [kind: string, first: string, second: string, third: string];

/** Bounds of one script call, so that it touches about a thousand entries and its arguments stay short. */
const STEP = { operations: 250, characters: 512 * 1024 } as const;

/** The operations of apply.lua for a batch, in the order of its events. */
export function operationsOf(batch: Batch): Operation[] {
  const at = Date.parse(batch.at);
  const operations: Operation[] = [];
  for (const [index, event] of batch.events.entries()) {
    const operation = operationOf(event, at, `${batch.batch}-${index}`);
    if (operation !== undefined) operations.push(operation);
  }
  return operations;
}

/** @param generation the generation after a `repo.deleted`, the same whichever node applies the slot */
function operationOf(event: JournalEvent, at: number, generation: string): Operation | undefined {
  switch (event.type) {
    case 'blob.linked':
      return ['B', event.digest, encodeLink({ size: event.size, inc: event.inc, since: at }), '-'];
    case 'blob.unlinked':
      return ['b', event.digest, event.inc, '-'];
    case 'manifest.put':
      return ['M', event.digest, encodeRecord(recordOf(event, at)), String(at)];
    case 'manifest.deleted':
      return ['D', event.digest, '-', String(at)];
    case 'tag.set':
      return ['T', event.tag, event.digest, '-'];
    case 'tag.deleted':
      return ['t', event.tag, '-', '-'];
    case 'repo.deleted':
      return ['C', generation, '-', '-'];
    case 'gc.fence':
      return undefined;
    default:
      return unreachable(event);
  }
}

/**
 * Whether the view needs no more memory after the batch than before. Such a slot is announced even if Redis is full, so that
 * deletes can always free memory. A fence changes nothing in a view.
 */
export function onlyRemoves({ events }: Batch): boolean {
  return events.every(({ type }) => REMOVALS.has(type));
}

const REMOVALS: ReadonlySet<JournalEvent['type']> = new Set([
  'blob.unlinked',
  'manifest.deleted',
  'tag.deleted',
  'repo.deleted',
  'gc.fence',
]);

/** Whether the repository exists after the batch. */
export function existsAfter(batch: Batch, existed: boolean): boolean {
  const last = batch.events.findLast(({ type }) => type !== 'gc.fence');
  return last === undefined ? existed : last.type !== 'repo.deleted';
}

/** The operations from an index on that fit into one script call; at least one. */
export function stepFrom(operations: readonly Operation[], from: number): readonly Operation[] {
  let characters = 0;
  let end = from;
  while (end < operations.length && end - from < STEP.operations && characters < STEP.characters) {
    characters += lengthOf(operations[end]);
    end++;
  }
  return operations.slice(from, end);
}

/** The operations of build.lua for a whole state, in steps. */
export function* stepsOf(state: RepositoryState): Generator<readonly Operation[]> {
  let step: Operation[] = [];
  let characters = 0;
  for (const operation of buildOperations(state)) {
    step.push(operation);
    characters += lengthOf(operation);
    if (step.length < STEP.operations && characters < STEP.characters) continue;
    yield step;
    step = [];
    characters = 0;
  }
  if (step.length > 0) yield step;
}

function* buildOperations(state: RepositoryState): Generator<Operation> {
  for (const [digest, link] of state.blobs) yield ['B', digest, encodeLink(link), '-'];
  for (const [digest, record] of state.manifests) {
    yield ['M', digest, encodeRecord(record), '-'];
    for (const list of listsOf(record)) yield ['S', list, digest, '-'];
    for (const ref of record.refs) yield ['R', ref, digest, '-'];
  }
  for (const [tag, digest] of state.tags) yield ['T', tag, digest, '-'];
}

function lengthOf(operation: Operation | undefined): number {
  return operation?.reduce((sum, word) => sum + word.length, 0) ?? 0;
}
