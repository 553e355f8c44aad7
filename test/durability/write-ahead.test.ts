// As syscalls.test.ts, for a server with a write-ahead log: no response is sent before the log records it depends on are synced.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { NOTES } from '../../src/storage/paths.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { cleanUp } from '../support/server.ts';
import { PageCache } from './trace/page-cache.ts';
import { pushEverything } from './trace/scenario.ts';
import { type Call, parseTrace } from './trace/strace.ts';
import { AHEAD, startTracedServer } from './trace/traced-server.ts';

let root: string;
let calls: readonly Call[];

beforeAll(async () => {
  const server = await startTracedServer(undefined, AHEAD);
  await pushEverything(server.url);
  calls = parseTrace(await server.finish());
  root = server.dataPath;
}, TOOLS_WITHIN_MS);
afterAll(cleanUp);

/**
 * Whether the write to the log has a note of the feed and nothing else. Notes are written in the background up to a second later, so
 * one may be unsynced when another request is answered, which does not depend on it.
 */
function isNote({ op, path, text = '' }: Call): boolean {
  return (
    op === 'write' && path.startsWith(`${root}/wal/`) && text.includes(NOTES) && !/(repos|catalog|blobs)\//.test(text)
  );
}

/** Responses to writes and object names that came before the syncs they depend on. */
function faultsOf(trace: readonly Call[]): { faults: string[]; answers: number; names: number } {
  const cache = new PageCache();
  const faults: string[] = [];
  // A file of the log counts from its first record that a response depends on: a note may have made it.
  const made = new Map<string, Call>();
  let [answers, names] = [0, 0];
  for (const call of trace) {
    const { op, path, to = '', begin } = call;
    const isAnswer = op === 'send' && /^HTTP\/1\.1 20[12] /.test(call.text ?? '');
    const isName = op === 'rename' && (to.startsWith(`${root}/repos/`) || to.startsWith(`${root}/catalog/`));
    if (isAnswer) answers++;
    if (isName) names++;
    if (isAnswer || isName) {
      const missing = cache.below(`${root}/wal/`).flatMap((file) => cache.missing(file, begin));
      faults.push(...missing.map((fault) => `${op} ${isName ? to : path}: ${fault}`));
    }
    if (op === 'open' && path.startsWith(`${root}/wal/`)) {
      made.set(path, call);
    } else if (!isNote(call)) {
      const making = op === 'write' ? made.get(path) : undefined;
      if (making !== undefined) cache.apply(making);
      if (op === 'write') made.delete(path);
      cache.apply(call);
    }
  }
  return { faults, answers, names };
}

test('a response is sent, and a slot is linked, only after the write-ahead log is synced', () => {
  const { faults, answers, names } = faultsOf(calls);
  expect(faults).toEqual([]);
  expect(answers).toBeGreaterThan(10);
  expect(names).toBeGreaterThan(10);
});

test.each([
  ['of its files', (path: string) => path.startsWith(`${root}/wal/`)],
  ['of its folder', (path: string) => path === `${root}/wal`],
])('missing syncs %s are detected', (_what, isCut) => {
  const cut = calls.filter(({ op, path }) => op !== 'sync' || !isCut(path));
  expect(cut.length).toBeLessThan(calls.length);
  expect(faultsOf(cut).faults).not.toBeEmpty();
});
