// kill -9 keeps the page cache, so it cannot show that anything was synced. Here strace records every system call of a
// server, and each response is compared with what a power cut at that moment would have left.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { type Content, expectStatus, pushBlob, randomBlob } from '../support/oci.ts';
import { cleanUp, startServer, temporaryFolder } from '../support/server.ts';
import { checkTrace, kindOf } from './trace/checker.ts';
import { pushEverything, REPOSITORY } from './trace/scenario.ts';
import { type Call, parseTrace } from './trace/strace.ts';
import { startTracedServer } from './trace/traced-server.ts';

const TEST_WITHIN_MS = 300_000;

let root: string;
let calls: readonly Call[];

beforeAll(async () => {
  const server = await startTracedServer();
  await pushEverything(server.url);
  calls = parseTrace(await server.finish());
  root = server.dataPath;
}, TOOLS_WITHIN_MS);
afterAll(cleanUp);

/** A summary of what was written for a request, such as `POST <upload> 201 data+slot`. */
function summaryOf({ method, target, status, objects }: ReturnType<typeof checkTrace>['answers'][number]): string {
  const written = Object.entries(objects)
    .filter(([kind, names]) => kind !== 'other' && names.size > 0)
    .map(([kind, names]) => (names.size === 1 ? kind : `${names.size} ${kind}`));
  const where = /\/(?:blobs\/)?(uploads|manifests|blobs)\//.exec(target)?.[1] ?? target;
  return [method, where, status, written.join('+')].join(' ').trimEnd();
}

describe('before a response is sent', () => {
  test('everything that it acknowledges is synced: bytes, then the name, then the folders up the chain', () => {
    expect(checkTrace(calls, root).faults).toEqual([]);
  });

  test('everything that it acknowledges is written', () => {
    const answers = checkTrace(calls, root).answers.filter(({ method }) => method !== 'GET');
    expect(answers.map(summaryOf)).toEqual([
      'POST uploads 202',
      'PUT uploads 201 data+slot+marker',
      'POST uploads 201 data+slot',
      'PUT manifests 201 data+slot',
      // Too many bytes for a buffer are staged first.
      'POST uploads 201 data+slot+staged+session',
      'POST uploads 202',
      'PATCH uploads 202 staged+session',
      'PATCH uploads 202 staged+session',
      'PUT uploads 201 data+slot+staged+session',
      'POST uploads 202',
      'PATCH uploads 202 staged+session',
      'PATCH uploads 202 staged+session',
      'PUT uploads 201 data+slot',
      'PUT manifests 201 data+slot',
      // A mount into a new repository.
      'POST uploads 201 slot+marker',
      'DELETE manifests 202 slot',
      'DELETE manifests 202 slot',
      'DELETE blobs 202 slot',
    ]);
  });
});

/** The purpose of a sync: the kind of the object whose bytes, or of the folder whose entries, it makes durable. */
function purposesOf(trace: readonly Call[]): Map<Call, string> {
  // The bytes of an object that is linked or renamed later were synced under its first name.
  const renamed = new Map(
    trace.flatMap(({ op, path, to }) => (op === 'link' || op === 'rename' ? [[path, to ?? '']] : [])),
  );
  const folders = new Set(trace.flatMap(({ op, path }) => (op === 'make-folder' ? [path] : [])));
  const purposes = new Map<Call, string>();
  for (const call of trace) {
    const { op, path } = call;
    if (op !== 'sync') continue;
    if (path === root) purposes.set(call, 'entries of the data folder');
    else if (!path.startsWith(`${root}/`)) purposes.set(call, 'entries above the data folder');
    else if (folders.has(path)) purposes.set(call, folderPurpose(path.slice(root.length + 1)));
    else purposes.set(call, `bytes: ${kindOf((renamed.get(path) ?? path).slice(root.length + 1))}`);
  }
  return purposes;
}

function folderPurpose(name: string): string {
  if (name === 'tmp') return 'entries: tmp';
  const kind = kindOf(`${name}/x`);
  if (name === 'uploads' || name === 'data') return `folders in ${name}`;
  return kind === 'other' ? `folders in ${name.split('/')[0]}` : `entries: ${kind}`;
}

describe('the checker reports a missing sync of', () => {
  const needed = [
    ['bytes: format', 'format'],
    ['bytes: data', 'bytes'],
    ['bytes: slot', 'bytes'],
    ['bytes: marker', 'bytes'],
    // Staged bytes are renamed to data objects.
    ['bytes: session', 'bytes'],
    ['entries: data', 'entry'],
    ['entries: slot', 'entry'],
    ['entries: marker', 'entry'],
    ['entries: staged', 'entry'],
    ['folders in data', 'folder'],
    ['folders in repos', 'folder'],
    ['folders in uploads', 'folder'],
    ['entries of the data folder', 'folder'],
    ['entries above the data folder', 'folder'],
  ] as const;

  test.each(needed)('%s', (purpose, word) => {
    const purposes = purposesOf(calls);
    const cut = calls.filter((call) => purposes.get(call) !== purpose);
    expect(cut.length).toBeLessThan(calls.length);
    const { faults } = checkTrace(cut, root);
    expect(faults).not.toBeEmpty();
    for (const fault of faults) expect(fault).toContain(word);
  });

  test('any kind, except where another sync covers it', () => {
    const madeUpFor = new Set<string>();
    for (const [sync, purpose] of purposesOf(calls)) {
      const rest = calls.filter((call) => call !== sync);
      if (checkTrace(rest, root).faults.length === 0) madeUpFor.add(purpose);
    }
    expect([...madeUpFor].sort()).toEqual([
      // A big upload is also synced while it arrives.
      'bytes: data',
      // The probe of the store at the start, and other files that only this process uses.
      'bytes: other',
      // The data folder is synced for each folder that is created in it.
      'entries of the data folder',
      // Before and after the session is saved; a session that ends with the request needs neither.
      'entries: staged',
      'entries: tmp',
      // No acknowledgement depends on a note.
      'folders in notes',
    ]);
  });

  test('the bytes or the name of any object that is linked or renamed into place', () => {
    const purposes = purposesOf(calls);
    const placed = calls.filter(({ op, to }) => (op === 'link' || op === 'rename') && kindOf(nameOf(to)) !== 'other');
    expect(placed.length).toBeGreaterThan(20);
    for (const { path, to = '', begin } of placed) {
      const bytes = calls.filter((call) => call.op === 'sync' && call.path === path && call.begin < begin);
      expect(bytes.map((call) => purposes.get(call))).toContain(`bytes: ${kindOf(nameOf(to))}`);
      const { faults } = checkTrace(
        calls.filter((call) => !bytes.includes(call)),
        root,
      );
      expect(faults.join('\n')).toContain(`to ${to} before the bytes of ${path} were synced`);
    }
  });
});

describe('what a killed process left unsynced is synced before it is trusted', () => {
  /** A folder whose server died right after it created the name, before it synced the folder. */
  async function killedAt(linked: 'marker' | 'slot', blob: Content): Promise<string> {
    const folder = temporaryFolder('unsynced');
    // The format and the probe of the store come first, then the marker, then slot 1.
    const count = linked === 'marker' ? 3 : 4;
    const settings = { STORAGE_PATH: folder, CRASH_POINT: `create.before-folder-sync:${count}` };
    const { process, url, kill } = await startServer(settings);
    await expect(pushBlob(url, REPOSITORY, blob)).rejects.toThrow();
    await process.exited;
    expect(process.signalCode).toBe('SIGKILL');
    await kill();
    const marker = existsSync(join(folder, 'catalog', REPOSITORY.replace('/', '+')));
    const slot = existsSync(join(folder, slotName(1)));
    expect({ marker, slot }).toEqual({ marker: true, slot: linked === 'slot' });
    return folder;
  }

  const slotName = (seq: number) => `repos/${REPOSITORY}/_log/${String(seq).padStart(20, '0')}`;

  /** Whether the file and its folder were synced before that call. */
  function syncedBefore(trace: readonly Call[], path: string, last: Call | undefined): boolean {
    const synced = (what: string) =>
      trace.some(({ op, path: each, end }) => op === 'sync' && each === what && end < (last?.begin ?? 0));
    return synced(path) && synced(dirname(path));
  }

  test(
    'a slot, before any response depends on it',
    async () => {
      const blob = randomBlob(100);
      const folder = await killedAt('slot', blob);
      const server = await startTracedServer(folder);
      await expectStatus(200, `${server.url}/v2/${REPOSITORY}/blobs/${blob.descriptor.digest}`);
      const trace = parseTrace(await server.finish());
      const answer = trace.findLast(({ op }) => op === 'send');
      expect(syncedBefore(trace, join(folder, slotName(1)), answer)).toBe(true);
    },
    TEST_WITHIN_MS,
  );

  test(
    'a marker, before slot 1 is written',
    async () => {
      const blob = randomBlob(100);
      const folder = await killedAt('marker', blob);
      const server = await startTracedServer(folder);
      await pushBlob(server.url, REPOSITORY, blob);
      const trace = parseTrace(await server.finish());
      const slot = trace.find(({ op, to }) => op === 'link' && to === join(folder, slotName(1)));
      expect(syncedBefore(trace, join(folder, 'catalog', REPOSITORY.replace('/', '+')), slot)).toBe(true);
    },
    TEST_WITHIN_MS,
  );
});

function nameOf(path: string | undefined): string {
  return (path ?? '').slice(root.length + 1);
}
