// Sends one row and compares the response with the expected one.
import { expect } from 'bun:test';
import { expectStatus } from '../support/oci.ts';
import { projectRoot, type Server } from '../support/server.ts';
import type { Expected, Row } from './row.ts';
import { openUpload, type Site, UPLOADED } from './site.ts';
import { exchange, type Outcome } from './wire.ts';

const OVER_WITHIN_MS = 60_000;

/** If a row needs an upload, it is opened before, must be unchanged after, and is then cancelled. */
export async function sendRow(site: Site, row: Row): Promise<Outcome> {
  const { server } = site;
  if (row.upload === undefined) return await send(site, row, '/v2/this/row/has/none');
  const upload = await openUpload(server, site.repo);
  const headers = { 'content-type': 'application/octet-stream' };
  await expectStatus(202, server.url + upload, { method: 'PATCH', headers, body: UPLOADED });
  const outcome = await send(site, row, upload);
  await expectUploadKept(server, upload, row.upload.keeps ?? UPLOADED.length);
  return outcome;
}

async function send(site: Site, row: Row, upload: string): Promise<Outcome> {
  const head = 'code' in row.expected && row.expected.code === 'unseen';
  const outcome = await exchange(site.server.port, row.pieces({ ...site, upload }), head);
  check(site.server, outcome, row.expected);
  return outcome;
}

function check(server: Server, outcome: Outcome, expected: Expected): void {
  if ('closed' in expected) {
    expect(outcome).toBe('closed');
    return;
  }
  if (outcome === 'closed') throw new Error('the connection was closed without an answer');
  for (const secret of [server.dataPath, projectRoot, 'node_modules', '.ts:', '    at ']) {
    expect(outcome.text).not.toContain(secret);
  }
  if ('bare' in expected) {
    expect([outcome.status, outcome.body]).toEqual([expected.bare, '']);
    return;
  }
  expect(`${outcome.status} ${outcome.body}`).toStartWith(`${expected.status} `);
  expect(outcome.headers.get('content-type')).toBe('application/json');
  expect(outcome.headers.get('x-content-type-options')).toBe('nosniff');
  expect(outcome.headers.get('cache-control')).toBe('no-store');
  if (expected.code === 'unseen') {
    expect(outcome.body).toBe('');
    return;
  }
  expect(JSON.parse(outcome.body)).toEqual({
    errors: [expect.objectContaining({ code: expected.code, message: expect.stringMatching(/^.{10,400}$/) })],
  });
}

/** The upload is at its old offset, or at most at `upTo` after a broken body, and can be cancelled. */
async function expectUploadKept(server: Server, upload: string, upTo: number): Promise<void> {
  // The server may still be ending the request whose connection it has closed.
  const deadline = Date.now() + OVER_WITHIN_MS;
  for (;;) {
    const { headers } = await expectStatus(204, server.url + upload);
    const response = await fetch(server.url + upload, { method: 'DELETE' });
    if (response.status === 204) {
      const offset = Number(/^0-(\d+)$/.exec(headers.get('range') ?? '')?.[1]) + 1;
      expect(offset).toBeWithin(UPLOADED.length, upTo + 1);
      return;
    }
    if (response.status !== 409 || Date.now() > deadline) throw new Error(`cancelling: ${await response.text()}`);
    await response.arrayBuffer();
    await Bun.sleep(20);
  }
}
