// What replicas read: as the OpenAPI document says, byte for byte, and with clear refusals.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { REPLICATION_ENDPOINTS } from '../../src/http/api/replication-endpoints.ts';
import { slotPath } from '../cli/marina.ts';
import { type ApiDocument, documentOf, expectDocumented } from '../past/api-document.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, image, pushImage } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const BASE = '/api/v1/replication';
const STORAGE_PATH = temporaryFolder('api');
const pushed = image();
const UNKNOWN = '01ARZ3NDEKTSV4RRFFQ69G5FAV';
let server: Server;
let document: ApiDocument;

beforeAll(async () => {
  server = await startServer({ STORAGE_PATH });
  document = await documentOf(server.url);
  await pushImage(server.url, 'team/app', pushed, 'v1');
});

async function get<T>(template: string, target: string, status = 200): Promise<T> {
  return (await expectDocumented(server.url, document, [`${BASE}${template}`, `${BASE}${target}`], status)) as T;
}

interface SlotsOfLog {
  readonly slots: readonly string[];
  readonly more: boolean;
}

async function slotsOf(wanted: string): Promise<[SlotsOfLog, ...SlotsOfLog[]]> {
  return (await get<{ logs: [SlotsOfLog, ...SlotsOfLog[]] }>('/slots', `/slots?of=${wanted}`)).logs;
}

test('slots and objects are those of the store, and every answer is as documented', async () => {
  const identity = await get<{ store: string; lineage: string[] }>('', '');
  expect(identity.lineage).toEqual([identity.store]);
  const [{ slots, more }] = await slotsOf('team/app@0');
  expect(more).toBe(false);
  for (const [index, slot] of slots.entries())
    expect(slot).toBe(readFileSync(slotPath(STORAGE_PATH, 'team/app', index + 1), 'utf8'));
  const last = await slotsOf(`team/app@${slots.length - 1},team/none@0`);
  expect(last.map((each) => each.slots)).toEqual([slots.slice(-1), []]);
  const inc = /"inc":"(\w{26})"/.exec(slots.join())?.[1] ?? '';
  const { objects } = await get<{ objects: { size: number; bytes: string }[] }>(
    '/objects',
    `/objects?of=${inc},${UNKNOWN}`,
  );
  const { bytes } = await expectStatus(200, `${server.url}${BASE}/objects/${inc}`);
  expect(objects).toEqual([
    expect.objectContaining({ size: bytes.length, bytes: Buffer.from(bytes).toString('base64') }),
  ]);
  await get('/objects/{incarnation}', `/objects/${UNKNOWN}`, 404);
  await eventually(async () => {
    const notes = await get<{ slots: string[] }>('/logs/{log}', '/logs/notes?wait=1s');
    expect(notes.slots.join()).toContain('"repo":"team/app"');
  });
  expect(await get<unknown>('/logs/{log}', '/logs/robots')).toEqual({ slots: [], more: false });
  expect(await get<unknown>('/repositories', '/repositories')).toEqual({ repositories: ['team/app'], more: false });
  expect(await get<unknown>('/repositories', '/repositories?after=team/app')).toEqual({
    repositories: [],
    more: false,
  });
  expect(await get<unknown>('/collections', '/collections')).toEqual({ epochs: [], more: false });
  await get('/collections/{epoch}', `/collections/${UNKNOWN}`, 404);
});

test.each([
  ['/slots', '/slots'],
  ['/slots', '/slots?of=Team@0'],
  ['/slots', '/slots?of=team/app'],
  ['/slots', `/slots?of=${Array(65).fill('a@0').join(',')}`],
  ['/logs/{log}', '/logs/secrets'],
  ['/logs/{log}', '/logs/notes?wait=31s'],
  ['/objects', '/objects?of=../format'],
  ['/objects/{incarnation}', '/objects/format'],
  ['/collections', '/collections?after=x'],
])('%s: %s is 400', async (template, target) => {
  await get(template, target, 400);
});

test('every endpoint is described', () => {
  for (const { path } of REPLICATION_ENDPOINTS) expect(document.paths[path]).toBeDefined();
});
