// The page offers what a visitor may do here, and nothing that would be refused: without deletes, while writes are off, and in a replica.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { replicaOf, startReplica } from '../replica/replicas.ts';
import { eventually } from '../support/eventually.ts';
import { indexed } from '../support/indexed.ts';
import { image, pushImage, pushManifest } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { hiddenFields, Visitor } from './page-client.ts';

setDefaultTimeout(120_000);

const REPO = 'team/app';
const PAGE = `/ui/repositories/${REPO}`;
const TAG = `${PAGE}:v1`;
const OPERATIONS = '/ui/operations';
const action = (name: string): string => `${PAGE}/-/${name}`;

let server: Server;
let visitor: Visitor;
beforeAll(async () => {
  server = await startServer({ THREADS: '1', DELETE_ENABLED: 'false' });
  visitor = new Visitor(server.url);
  const [first, second] = [image(), image()];
  await pushImage(server.url, REPO, first, 'v1');
  await pushImage(server.url, REPO, second, 'v2');
  await pushManifest(server.url, REPO, second, 'v1');
  await indexed(server.url, 1);
});
afterAll(cleanUp);

/** The addresses of the forms of a page that change something. */
function formsOf(html: string): string[] {
  const found: string[] = [];
  new HTMLRewriter()
    .on('form[method="post"]', {
      element: (form) => void found.push(form.getAttribute('action') ?? ''),
    })
    .transform(html);
  return [...new Set(found)].sort();
}

async function turnReadOnly(on: boolean): Promise<void> {
  const order: [string, string][] = [
    ['order', 'read-only'],
    ['on', String(on)],
  ];
  expect((await visitor.submit(OPERATIONS, OPERATIONS, order)).status).toBe(303);
}

test('without deletes there are no boxes and no button for them, but copies, pins and the way back', async () => {
  const list = await visitor.get(PAGE);
  expect(formsOf(list.html)).toEqual([action('pin')]);
  expect(list.html).not.toContain('type="checkbox"');
  expect(list.html).toContain('Deleting is disabled here (DELETE_ENABLED).');
  const one = await visitor.get(TAG);
  expect(formsOf(one.html)).toEqual([action('restore'), action('tag')]);
  expect(one.html).toContain('Deleting is disabled here (DELETE_ENABLED).');
  const [token] = hiddenFields(one.html, action('tag'));
  const fields: [string, string][] = [['tag', 'v1'], ...(token === undefined ? [] : [token])];
  const asked = await visitor.post(action('delete'), fields);
  expect([asked.status, asked.html.includes('Delete 1 tag')]).toEqual([405, false]);
});

test('while writes are off the page says so, offers nothing, and asks for nothing that it would refuse', async () => {
  const [token] = hiddenFields((await visitor.get(TAG)).html, action('tag'));
  const { seq } = (await (await fetch(`${server.url}/api/v1/repositories/${REPO}`)).json()) as { seq: number };
  const moment = await visitor.get(`/ui/at/${seq}/repositories/${REPO}:v1`);
  await turnReadOnly(true);
  for (const path of [PAGE, TAG]) {
    const { status, html } = await visitor.get(path);
    expect([path, status, formsOf(html)]).toEqual([path, 200, []]);
    expect(html).toContain('This registry is read-only for now');
  }
  const then = await visitor.get(moment.location ?? '');
  expect([then.status, formsOf(then.html)]).toEqual([200, []]);
  for (const [name, field] of [
    ['delete', ['tag', 'v1']],
    ['tag', ['name', 'v2']],
  ] as const) {
    const fields: [string, string][] = [[...field], ...(token === undefined ? [] : [token])];
    expect([name, (await visitor.post(action(name), fields)).status]).not.toEqual([name, 200]);
  }
  await turnReadOnly(false);
  expect(formsOf((await visitor.get(PAGE)).html)).toEqual([action('pin')]);
});

test('a replica offers no action and leads to its source', async () => {
  const replica = await startReplica(replicaOf(server.url, { THREADS: '1' }));
  const there = new Visitor(replica.url);
  await eventually(async () => {
    expect((await there.get(TAG)).status).toBe(200);
  });
  for (const path of [PAGE, TAG]) {
    const { html } = await there.get(path);
    expect([path, formsOf(html)]).toEqual([path, []]);
    expect(html).toContain(`href="${server.url}${PAGE}"`);
  }
});
