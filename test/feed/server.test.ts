// GET /api/v1/changes of one process: its promises, each by name, its filters, streams, and bad input.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { documentOf, expectDocumented } from '../past/api-document.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, image, pushBlob, pushImage, pushManifest } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { EventStream, expectOrdered, pageOf, pageOverSocket, readAll, readUntil, refusalOf } from './client.ts';

setDefaultTimeout(300_000);

const STORAGE_PATH = temporaryFolder('feed');
const app = image();
const SOON_MS = 1_000;
const ROUNDS = 10;
let server: Server;
let url: string;
/** Open while the other tests run, because its comments take long. */
let quiet: EventStream | undefined;

beforeAll(async () => {
  server = await startServer({ STORAGE_PATH, THREADS: '2' });
  ({ url } = server);
  await pushImage(url, 'team/app', app, 'v1');
});

afterAll(cleanUp);

/** Pushes this many tags, each a change of its own. */
async function pushTags(repo: string, count: number, from = 0): Promise<void> {
  for (let number = from; number < from + count; number++) await pushManifest(url, repo, app, `t${number}`);
}

async function waiters(): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^marina_changes_waiting (\d+)/m.exec(metrics)?.[1]);
}

async function prepare(repo: string): Promise<void> {
  for (const blob of app.blobs) await pushBlob(url, repo, blob);
}

test('a page says what happened, as the OpenAPI document says', async () => {
  await readUntil(url, 'beginning', (changes) => changes.some(({ type }) => type === 'tag.set'), {
    repository: 'team/app',
  });
  const document = await documentOf(url);
  const page = (await expectDocumented(
    url,
    document,
    ['/api/v1/changes', '/api/v1/changes?repository=team/app'],
    200,
  )) as Awaited<ReturnType<typeof pageOf>>;
  const { digest, size, mediaType } = app.descriptor;
  expect(page.changes.map(({ type }) => type)).toEqual(['blob.linked', 'blob.linked', 'manifest.put', 'tag.set']);
  expect(page.changes[2]).toMatchObject({ repository: 'team/app', actor: 'anonymous', digest, size, mediaType });
  expect(page.changes[3]).toMatchObject({ tag: 'v1', digest });
  expect(page.changes[0]).toMatchObject({
    digest: app.blobs[0]?.descriptor.digest,
    index: 0,
    seq: 1,
    id: 'team/app@1.0',
  });
  await expectDocumented(url, document, ['/api/v1/changes', '/api/v1/changes?since=forged'], 400);
});

describe('promise:', () => {
  test('every change that was acknowledged appears after every cursor taken before it', async () => {
    await prepare('promise/one');
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let number = 0; number < 3; number++) {
        const { cursor } = await pageOf(url, { since: 'now' });
        const tag = `w${writer}-${number}`;
        await pushManifest(url, 'promise/one', app, tag);
        const { changes } = await readUntil(url, cursor, (found) => found.some((each) => each.tag === tag));
        expectOrdered(changes);
      }
    });
    await Promise.all(writers);
  });

  test('changes of a repository come in order, none twice on one path of cursors', async () => {
    await Promise.all(['order/a', 'order/b'].map(prepare));
    const { cursor } = await pageOf(url, { since: 'now' });
    const filter = { repository: 'order/*', type: 'tag.set', limit: 7 };
    const isComplete = (changes: readonly unknown[]) => changes.length === 60;
    const reading = readUntil(url, cursor, isComplete, filter);
    await Promise.all(['order/a', 'order/b'].map((repo) => pushTags(repo, 30)));
    const { changes } = await reading;
    expectOrdered(changes);
    for (const repo of ['order/a', 'order/b'])
      expect(changes.filter(({ repository }) => repository === repo).map(({ tag }) => tag)).toEqual(
        Array.from({ length: 30 }, (_, number) => `t${number}`),
      );
  });

  test('replay from any cursor gives the same changes', async () => {
    const whole = await readAll(url, 'beginning', { limit: 9 });
    for (const [index, since] of whole.cursors.entries()) {
      const { changes } = await readAll(url, since, { limit: 1_000 });
      expect(changes.slice(0, 5)).toEqual(whole.changes.slice(9 * (index + 1)).slice(0, 5));
      expect(since.length).toBeLessThanOrEqual(2_048);
    }
    expectOrdered(whole.changes);
  });

  test('a change is seen within a second of its acknowledgement on an idle system', async () => {
    const latencies: number[] = [];
    // The fastest of some, because the machine may have other work.
    for (let round = 0; round < ROUNDS && Math.min(...latencies) >= SOON_MS; round++) {
      // Until nothing is left to note.
      await Bun.sleep(1_000);
      const { cursor } = await pageOf(url, { since: 'now' });
      const waiting = pageOf(url, { since: cursor, wait: '30s' });
      await eventually(async () => expect(await waiters()).toBe(1));
      await pushManifest(url, 'team/app', app, `idle${round}`);
      const acknowledged = performance.now();
      const { changes } = await waiting;
      latencies.push(performance.now() - acknowledged);
      expect(changes[0]).toMatchObject({ tag: `idle${round}` });
    }
    expect(Math.min(...latencies)).toBeLessThan(SOON_MS);
  });

  test('a cursor survives kill -9, and so does every change', async () => {
    const { cursor } = await pageOf(url, { since: 'now' });
    await prepare('killed');
    await pushTags('killed', 5);
    // At once: the last writes are hardly noted.
    await server.kill();
    server = await startServer({ STORAGE_PATH, THREADS: '2', PORT: String(server.port) });
    const { changes } = await readUntil(url, cursor, (found) => found.some(({ tag }) => tag === 't4'), {
      repository: 'killed',
    });
    expectOrdered(changes);
    quiet = new EventStream(url, { since: 'now', repository: 'nothing/**' });
    expect(changes.filter(({ type }) => type === 'tag.set').map(({ tag }) => tag)).toEqual([
      't0',
      't1',
      't2',
      't3',
      't4',
    ]);
  });

  test('waiting clients all see a change, and cost next to nothing while they wait', async () => {
    const count = 1_000;
    const others = quiet === undefined ? 0 : 1;
    const { cursor } = await pageOf(url, { since: 'now' });
    const waiting = Array.from({ length: count }, () => pageOverSocket(server.port, { since: cursor, wait: '60s' }));
    await eventually(async () => expect(await waiters()).toBe(others + count));
    const spent = async (): Promise<number> => {
      const stat = await Bun.file(`/proc/${server.process.pid}/stat`).text();
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) * 10;
    };
    // What the connections themselves have cost may still be cleaned up at first.
    await eventually(async () => {
      const before = await spent();
      await Bun.sleep(1_500);
      // Of two processors' 3,000 ms.
      expect((await spent()) - before).toBeLessThan(400);
    }, 30_000);
    await pushManifest(url, 'team/app', app, 'crowd');
    for (const { changes } of await Promise.all(waiting)) expect(changes.map(({ tag }) => tag)).toContain('crowd');
    await eventually(async () => expect(await waiters()).toBe(others));
  });

  test('a client that leaves is not waited for', async () => {
    const { cursor } = await pageOf(url, { since: 'now' });
    const others = quiet === undefined ? 0 : 1;
    await eventually(async () => expect(await waiters()).toBe(others));
    const leaving = new AbortController();
    const request = fetch(`${url}/api/v1/changes?since=${cursor}&wait=60s`, { signal: leaving.signal });
    await eventually(async () => expect(await waiters()).toBe(others + 1));
    leaving.abort();
    await expect(request).rejects.toThrow();
    await eventually(async () => expect(await waiters()).toBe(others));
  });
});

describe('since', () => {
  test('a time gives everything later', async () => {
    const { changes } = await readAll(url, 'beginning');
    const middle = changes[Math.floor(changes.length / 2)];
    if (middle === undefined) return expect.unreachable();
    const since = await readAll(url, middle.time);
    const ids = new Set(since.changes.map(({ id }) => id));
    for (const change of changes) if (change.time >= middle.time) expect(ids).toContain(change.id);
    const earliest = Math.min(...since.changes.map(({ time }) => Date.parse(time)));
    expect(earliest).toBeGreaterThanOrEqual(Date.parse(middle.time) - 6_000);
    expect((await readAll(url, '2099-01-01')).changes).toEqual([]);
  });
});

describe('filters', () => {
  test('of repositories and types are applied before a page is cut', async () => {
    await prepare('filtered/one');
    await pushTags('filtered/one', 3);
    await readUntil(url, 'beginning', (found) => found.length >= 3, { repository: 'filtered/*', type: 'tag.set' });
    const page = await pageOf(url, { repository: 'filtered/*', type: 'tag.set', limit: 2 });
    expect(page.changes.map(({ tag }) => tag)).toEqual(['t0', 't1']);
    expect(page.more).toBe(true);
    const next = await pageOf(url, {
      repository: 'filtered/*',
      type: 'manifest.put,tag.set',
      since: page.cursor,
      limit: 9,
    });
    // The other tags point to a manifest that is there already.
    expect(next.changes.map(({ type, tag }) => [type, tag])).toEqual([['tag.set', 't2']]);
    const all = await pageOf(url, { repository: 'filtered/*', type: 'manifest.put,tag.set' });
    expect(all.changes.map(({ type }) => type)).toEqual(['manifest.put', 'tag.set', 'tag.set', 'tag.set']);
  });

  test('a deletion says what was deleted', async () => {
    const { cursor } = await pageOf(url, { since: 'now' });
    await pushManifest(url, 'filtered/one', app, 'gone');
    await expectStatus(202, `${url}/v2/filtered/one/manifests/gone`, { method: 'DELETE' });
    const { changes } = await readUntil(url, cursor, (found) => found.some(({ type }) => type === 'tag.deleted'));
    expect(changes.at(-1)).toMatchObject({ type: 'tag.deleted', tag: 'gone', previous: app.descriptor.digest });
  });
});

describe('a stream of events', () => {
  test('goes on where Last-Event-ID says, and gives what pages give', async () => {
    const { changes } = await readAll(url, 'beginning', { repository: 'order/*' });
    const stream = new EventStream(url, { since: 'beginning', repository: 'order/*' });
    expect((await stream.response).headers.get('content-type')).toBe('text/event-stream');
    await eventually(() => expect(stream.events.length).toBe(changes.length));
    expect(stream.events.map(({ change }) => change)).toEqual([...changes]);
    const { id } = stream.events[9] ?? {};
    stream.close();
    const again = new EventStream(url, { since: 'beginning', repository: 'order/*' }, { 'last-event-id': id ?? '' });
    await eventually(() => expect(again.events.length).toBe(changes.length - 10));
    expect(again.events.map(({ change }) => change)).toEqual(changes.slice(10));
    await pushManifest(url, 'order/a', app, 'live');
    await eventually(() => expect(again.events.at(-1)?.change.tag).toBe('live'));
    again.close();
  });

  test('that had no event yet goes on where it was, too', async () => {
    const query = { since: 'now', repository: 'between', type: 'tag.set' };
    const first = new EventStream(url, query);
    await eventually(() => expect(first.lastId).toBeString());
    first.close();
    await pushImage(url, 'between', app, 'v1');
    const again = new EventStream(url, query, { 'last-event-id': first.lastId ?? '' });
    await eventually(() => expect(again.events[0]?.change.tag).toBe('v1'));
    again.close();
  });

  test('has a comment every 15 seconds without a change for it, whatever else happens', async () => {
    const stream = quiet ?? new EventStream(url, { since: 'now', repository: 'nothing/**' });
    const comments = stream.comments.length;
    let pushed = 0;
    await eventually(async () => {
      await pushManifest(url, 'team/app', app, `other${pushed++}`);
      await Bun.sleep(100);
      expect(stream.comments.length).toBeGreaterThan(comments);
    });
    expect(stream.events).toEqual([]);
    stream.close();
  });
});

describe('bad input', () => {
  const INVALID = [400, 'CURSOR_INVALID'] as const;
  const WRONG = [400, 'UNSUPPORTED'] as const;

  test.each([
    ['a forged cursor', { since: 'Zm9yZ2Vk' }, INVALID],
    ['a long cursor', { since: 'a'.repeat(4_000) }, INVALID],
    ['a cursor with other characters', { since: '../../format' }, INVALID],
    ['an empty since', { since: '' }, WRONG],
    ['a time that does not exist', { since: '2026-02-30' }, WRONG],
    ['a time without a zone', { since: '2026-02-03T04:05:06' }, WRONG],
    ['an unknown type', { type: 'tag.set,tag.moved' }, WRONG],
    ['an empty type', { type: '' }, WRONG],
    ['a malformed glob', { repository: 'team/[' }, WRONG],
    ['a limit of 0', { limit: 0 }, WRONG],
    ['a limit beyond the most', { limit: 1_001 }, WRONG],
    ['a wait beyond the longest', { wait: '61s' }, WRONG],
    ['a wait in another unit', { wait: '5m' }, WRONG],
    ['an unknown parameter', { repo: 'team/*' }, WRONG],
  ] as const)('%s is refused', async (_, query, refusal) => {
    expect(await refusalOf(url, query)).toEqual([...refusal]);
  });

  test('a cursor of another store is refused, and one of an older copy of this one is unknown', async () => {
    const other = await startServer();
    const { cursor } = await pageOf(other.url, { since: 'now' });
    expect(await refusalOf(url, { since: cursor })).toEqual([...INVALID]);
    await other.stop();
  });

  test('a malformed Last-Event-ID is refused like a cursor', async () => {
    const stream = new EventStream(url, {}, { 'last-event-id': 'forged' });
    expect((await stream.response).status).toBe(400);
    stream.close();
  });
});

// The last test: it stops the server.
test('draining ends streams and waits at once', async () => {
  await eventually(async () => expect(await waiters()).toBe(0));
  // A note that still had to come would end the wait below.
  const { cursor: before } = await pageOf(url, { since: 'now' });
  await pushManifest(url, 'team/app', app, 'last');
  await readUntil(url, before, (found) => found.some(({ tag }) => tag === 'last'));
  const stream = new EventStream(url, { since: 'now' });
  await stream.response;
  const { cursor } = await pageOf(url, { since: 'now' });
  const waiting = pageOf(url, { since: cursor, wait: '60s' });
  await eventually(async () => expect(await waiters()).toBe(2));
  const stopping = performance.now();
  expect(await server.stop()).toBe(0);
  expect(performance.now() - stopping).toBeLessThan(20_000);
  expect((await waiting).changes).toEqual([]);
  await stream.ended;
});
