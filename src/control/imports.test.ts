import { afterAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { eventually } from '../../test/support/eventually.ts';
import { cleanUp, temporaryFolder } from '../../test/support/server.ts';
import type { ImportReport, ImportRequest, Problem } from '../importing/report.ts';
import type { Listeners } from '../importing/tally.ts';
import { RegistryError } from '../oci/errors.ts';
import { followImport, type RunImport } from './imports.ts';
import { serveControl } from './server.ts';

afterAll(cleanUp);

const REQUEST: ImportRequest = {
  source: '/srv/registry',
  format: 'distribution',
  trust: false,
  moveTags: true,
  counted: false,
};
const nothing = { count: 0, bytes: 0 };
const REPORT: ImportReport = {
  ...{ repositories: 1, tags: { set: 2, present: 3 }, manifests: { put: 4, present: 5 }, problems: 1, seconds: 6 },
  blobs: { linked: { count: 7, bytes: 8 }, copied: nothing, sent: nothing, shared: nothing, present: nothing },
};
const PROBLEM: Problem = { problem: 'link-broken', repo: 'team/app', tag: 'v1', message: 'its link holds no digest' };

function serve(importTree: RunImport) {
  const socket = join(temporaryFolder('control'), 'socket');
  const failures: unknown[] = [];
  const unexpected = (): never => expect.unreachable();
  const { stop } = serveControl(socket, {
    ...{
      collect: unexpected,
      retain: unexpected,
      progress: unexpected,
      requests: unexpected,
      deleteRepository: unexpected,
      restore: unexpected,
      changeRobot: unexpected,
      hold: unexpected,
      renewHold: unexpected,
      release: unexpected,
      reportBackup: unexpected,
      promote: unexpected,
      orderWebhook: unexpected,
      tryWebhookOut: unexpected,
      turnReadOnly: unexpected,
      requireWritable: () => {},
      importTree,
    },
    failed: (error) => void failures.push(error),
  });
  return { socket, stop, failures };
}

function listening(): Listeners & { readonly problems: Problem[]; readonly repositories: Set<string> } {
  const problems: Problem[] = [];
  const repositories = new Set<string>();
  const onProgress: Listeners['onProgress'] = ({ repository }) => void repositories.add(repository);
  return { problems, repositories, onProgress, onProblem: (problem) => void problems.push(problem) };
}

test('the client gets problems and progress as they happen, then the report', async () => {
  const asked: ImportRequest[] = [];
  const { socket, stop } = serve(async (request, { onProblem, onProgress }) => {
    asked.push(request);
    onProblem(PROBLEM);
    onProgress({ done: 1, total: 2, repository: 'team/app', read: 3 });
    await Bun.sleep(600);
    return REPORT;
  });
  const listeners = listening();
  expect(await followImport(socket, REQUEST, listeners)).toEqual(REPORT);
  expect([asked, listeners.problems, [...listeners.repositories]]).toEqual([[REQUEST], [PROBLEM], ['team/app']]);
  await stop();
});

test('the client gets a refusal unchanged, but no details of a defect', async () => {
  const refused = new RegistryError('request-invalid', 'there is no registry in it');
  const reasons: unknown[] = [refused, new Error('a secret')];
  const { socket, stop, failures } = serve(() => Promise.reject(reasons.shift()));
  const error = await followImport(socket, REQUEST, listening()).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ kind: 'request-invalid', message: refused.message });
  await expect(followImport(socket, REQUEST, listening())).rejects.toThrow('the server failed: see its log');
  expect(failures).toEqual([new Error('a secret')]);
  await stop();
});

test('if the server ends, its client gets one line; if the client disconnects, the import ends', async () => {
  const signals: AbortSignal[] = [];
  const { socket, stop } = serve((_, __, signal) => {
    signals.push(signal);
    return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  });
  const gone = new AbortController();
  const body = JSON.stringify(REQUEST);
  const response = await fetch('http://marina/imports', { method: 'POST', unix: socket, body, signal: gone.signal });
  expect(response.status).toBe(200);
  gone.abort();
  await eventually(async () => expect(signals.map(({ aborted }) => aborted)).toEqual([true]));
  const waiting = followImport(socket, REQUEST, listening()).catch((reason: unknown) => reason);
  await eventually(async () => expect(signals).toHaveLength(2));
  await stop();
  expect(await waiting).toMatchObject({ kind: 'unavailable', message: expect.stringContaining('import again') });
});
