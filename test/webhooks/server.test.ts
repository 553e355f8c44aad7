// Webhooks of a running server, delivered to real receivers.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { createHmac } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import { marinaCommand } from '../cli/marina.ts';
import { attempt } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, image, pushImage } from '../support/oci.ts';
import { secret } from '../support/secrets.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { type Answer, type Received, type Receiver, startRawReceiver, startReceiver } from './receivers.ts';

const SECRET = secret('hunter2-and-a-half');
const TOKEN = secret('a-token-for-the-receiver');
/** On a machine with much other work. */
const START_WITHIN_MS = 300_000;
const folder = temporaryFolder('webhooks');
const path = join(folder, 'webhooks.yaml');
const settings = { WEBHOOKS_FILE: path, PUBLIC_HOSTS: 'registry.example', STORAGE_PATH: join(folder, 'data') };

const answers = new Map<string, Answer>();
let receiver: Receiver;
let server: Server;

/** The receiver gets the deliveries of each webhook at a path of its own. */
function receivedBy(name: string): readonly Received[] {
  return receiver.received.filter((each) => each.path === `/${name}`);
}

function configure(webhooks: readonly object[]): void {
  // In one step, as editors and Kubernetes do it.
  writeFileSync(`${path}.new`, JSON.stringify({ webhooks }));
  renameSync(`${path}.new`, path);
}

function webhook(name: string, rest: object = {}): object {
  return { name, url: `${new URL(receiver.url).origin}/${name}`, allowPrivate: true, secret: SECRET, ...rest };
}

async function marina(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const env = { STORAGE_PATH: server.dataPath, WEBHOOKS_FILE: path };
  const { code, stdout, stderr } = await attempt([...marinaCommand, 'webhooks', ...args], { env });
  return { code, stdout: new TextDecoder().decode(stdout), stderr };
}

async function stateOf(name: string): Promise<{
  readonly state: string;
  readonly behind: { readonly changes: number };
  readonly failing?: { readonly reason: string };
}> {
  const { stdout, stderr } = await marina('--json');
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const found = lines.find((line) => line.name === name);
  if (found === undefined) throw new Error(`${name} is not listed: ${stdout}${stderr}`);
  return found;
}

interface Event {
  readonly action: string;
  readonly target: {
    readonly repository: string;
    readonly tag?: string;
    readonly digest?: string;
    readonly mediaType?: string;
  };
}

function eventsOf(name: string): readonly Event[] {
  return receivedBy(name).flatMap(({ body }) => (JSON.parse(body) as { readonly events: readonly Event[] }).events);
}

function tagsOf(name: string): readonly string[] {
  return receivedBy(name).map(({ body }) => (JSON.parse(body) as { readonly data: { readonly tag: string } }).data.tag);
}

beforeAll(async () => {
  receiver = startReceiver(
    (request, count) => answers.get(request.path)?.(request, count) ?? new Response(null, { status: 204 }),
  );
  configure([
    webhook('dist', { format: 'distribution', repositories: ['team/*'] }),
    webhook('events', { events: ['tag.set'], headers: { 'X-Token': TOKEN } }),
    webhook('harbor', { format: 'harbor' }),
    { ...webhook('hangs'), url: (await startRawReceiver(() => {})).url, timeout: '1s', events: ['tag.set'] },
  ]);
  server = await startServer(settings);
  // Where each of them begins is stored soon after the server is ready.
  for (const name of ['dist', 'events', 'harbor', 'hangs'])
    await eventually(async () => expect(await stateOf(name)).toMatchObject({ state: 'up to date' }));
}, START_WITHIN_MS);
afterEach(() => answers.clear());
afterAll(async () => {
  await receiver.stop();
  await cleanUp();
});

describe('a server with webhooks', () => {
  test('delivers a push and a delete in each format, signed', async () => {
    const pushed = image();
    await pushImage(server.url, 'team/app', pushed, 'v1');
    await pushImage(server.url, 'other', pushed, 'v1');
    const { digest } = pushed.descriptor;
    await expectStatus(202, `${server.url}/v2/team/app/manifests/v1`, { method: 'DELETE' });
    await eventually(() => expect(eventsOf('dist').map(({ action }) => action)).toContain('delete'));
    const events = eventsOf('dist').filter(({ target }) => target.tag !== undefined);
    expect(events.map(({ action, target }) => [action, target])).toMatchObject([
      ['push', { repository: 'team/app', tag: 'v1', digest, mediaType: pushed.descriptor.mediaType }],
      ['delete', { repository: 'team/app', tag: 'v1', digest }],
    ]);
    expect(eventsOf('dist').every(({ target }) => target.repository === 'team/app')).toBe(true);
    await eventually(() => expect(receivedBy('events')).toHaveLength(2));
    await eventually(() => expect(receivedBy('harbor')).toHaveLength(2));
    const bodies = receivedBy('harbor').map(({ body }) => JSON.parse(body));
    expect(bodies.map((body) => body.event_data.resources[0].resource_url).sort()).toEqual([
      ...['registry.example/other:v1', 'registry.example/team/app:v1'],
    ]);
    for (const { headers, body } of receiver.received) {
      const hmac = (message: string): string => `sha256=${createHmac('sha256', SECRET).update(message).digest('hex')}`;
      expect(headers['x-marina-signature']).toBe(hmac(`${headers['x-marina-timestamp']}.${body}`));
      expect(headers['x-signature']).toBe(hmac(body));
      expect(() => new StandardWebhook(SECRET, { format: 'raw' }).verify(body, headers)).not.toThrow();
      expect(headers['user-agent']).toStartWith('Marina/');
    }
    expect(receivedBy('events')[0]?.headers['x-token']).toBe(TOKEN);
    expect(receivedBy('dist')[0]?.headers['content-type']).toBe('application/vnd.docker.distribution.events.v2+json');
  });

  test('tries again until the receiver accepts, and keeps the order; another webhook does not wait', async () => {
    let refused = 0;
    answers.set('/events', () =>
      refused++ < 2 ? new Response('no', { status: 500 }) : new Response(null, { status: 204 }),
    );
    const before = { events: receivedBy('events').length, harbor: receivedBy('harbor').length };
    for (const tag of ['r1', 'r2', 'r3']) await pushImage(server.url, 'team/app', image(), tag);
    await eventually(() => expect(receivedBy('harbor')).toHaveLength(before.harbor + 3));
    await eventually(() => expect(tagsOf('events').slice(before.events)).toEqual(['r1', 'r1', 'r1', 'r2', 'r3']));
    const ids = receivedBy('events')
      .slice(before.events)
      .map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).toBe(3);
    expect(ids[0]).toBe(ids[2] ?? '');
  });

  test('shows the state of each webhook, and a receiver that fails with its reason', async () => {
    await eventually(async () => {
      expect(await stateOf('events')).toMatchObject({ state: 'up to date', behind: { changes: 0 } });
      expect(await stateOf('hangs')).toMatchObject({
        state: 'failing',
        failing: { reason: 'no answer within 1000 ms' },
      });
    });
    const { stdout } = await marina();
    expect(stdout).toMatch(/^hangs {2}failing {2}cloudevents to 127\.0\.0\.1:\d+ {2}\d+ changes behind, /m);
    expect(stdout).not.toContain(SECRET);
    const metrics = new TextDecoder().decode((await expectStatus(200, `${server.url}/metrics`)).bytes);
    expect(metrics).toMatch(/^marina_webhook_delivered_total\{webhook="events"\} [1-9]\d*$/m);
    expect(metrics).toMatch(/^marina_webhook_failures\{webhook="hangs"\} [1-9]\d*$/m);
    expect(metrics).toMatch(/^marina_webhook_lag_seconds\{webhook="events"\} 0$/m);
    expect(metrics).toMatch(/^marina_webhook_skipped_total\{webhook="events"\} 0$/m);
  });

  test('can be paused, resumed, and told to replay', async () => {
    expect(await marina('pause', 'events')).toMatchObject({ code: 0, stdout: 'events is paused\n' });
    const before = receivedBy('events').length;
    const harbor = receivedBy('harbor').length;
    await pushImage(server.url, 'team/app', image(), 'paused');
    await eventually(() => expect(receivedBy('harbor')).toHaveLength(harbor + 1));
    await eventually(async () =>
      expect(await stateOf('events')).toMatchObject({ state: 'paused', behind: { changes: 1 } }),
    );
    expect(receivedBy('events')).toHaveLength(before);
    expect(await marina('resume', 'events')).toMatchObject({ code: 0, stdout: 'events is resumed\n' });
    await eventually(() => expect(tagsOf('events').slice(before)).toEqual(['paused']));
    const first = tagsOf('events')[0];
    expect(await marina('replay', 'events', '--since', 'beginning')).toMatchObject({ code: 0 });
    await eventually(() => expect(tagsOf('events').slice(before + 1)).toContain('paused'));
    expect(tagsOf('events')[before + 1]).toBe(first ?? '');
    for (const since of ['yesterday', '2026-13-01', 'AAAA', '2099-01-01'])
      expect((await marina('replay', 'events', '--since', since)).code).not.toBe(0);
    expect((await marina('pause', 'none')).stderr).toBe('marina: WEBHOOKS_FILE has no webhook none\n');
  });

  test('sends a test delivery, and shows the answer', async () => {
    const before = receivedBy('harbor').length;
    expect(await marina('test', 'harbor')).toMatchObject({ code: 0, stdout: 'harbor was accepted: the status 204\n' });
    expect(receivedBy('harbor')).toHaveLength(before + 1);
    answers.set('/harbor', () => new Response('no', { status: 401 }));
    expect(await marina('test', 'harbor')).toMatchObject({
      code: 1,
      stderr: 'marina: harbor was not accepted: the status 401\n',
    });
  });

  test('continues after a restart where it was, and after kill -9 with repetitions at most', async () => {
    for (const end of ['stop', 'kill'] as const) {
      const before = receivedBy('events').length;
      const earlier = new Set(tagsOf('events'));
      answers.set('/events', () => new Response('no', { status: 503 }));
      for (const tag of [`${end}-1`, `${end}-2`]) await pushImage(server.url, 'team/app', image(), tag);
      await eventually(() => expect(tagsOf('events').slice(before)).toContain(`${end}-1`));
      await server[end]();
      answers.clear();
      server = await startServer(settings);
      await eventually(() => expect(tagsOf('events').slice(before)).toContain(`${end}-2`));
      const tags = tagsOf('events').slice(before);
      expect(tags.lastIndexOf(`${end}-1`)).toBeLessThan(tags.indexOf(`${end}-2`));
      expect(tags.filter((tag) => !tag.startsWith(end) && !earlier.has(tag))).toEqual([]);
    }
  });

  test('follows changes of the file: a new webhook begins now, and a wrong file changes nothing', async () => {
    configure([webhook('late', { events: ['tag.set'] }), webhook('events', { events: ['tag.set'] })]);
    await eventually(async () => expect(await stateOf('late')).toMatchObject({ state: 'up to date' }));
    const harbor = receivedBy('harbor').length;
    await pushImage(server.url, 'team/app', image(), 'late');
    await eventually(() => expect(tagsOf('late')).toEqual(['late']));
    expect(receivedBy('harbor')).toHaveLength(harbor);
    writeFileSync(path, 'webhooks: [{name: late}]');
    await eventually(() => expect(server.logs()).toContain('a changed configuration file cannot be used'));
    await pushImage(server.url, 'team/app', image(), 'later');
    await eventually(() => expect(tagsOf('late')).toEqual(['late', 'later']));
  });
});

test.each([
  [
    'webhooks: [{name: a, url: "http://10.1.2.3/x"}]',
    'line 1, column 27 (webhooks[0].url): 10.1.2.3 is this machine or in a private network',
  ],
  ['webhooks: [{name: a}]', 'line 1, column 12 (webhooks[0].url): a URL is expected'],
])('a file that cannot be used refuses the start in one line: %#', async (text, reason) => {
  const wrong = join(temporaryFolder('wrong'), 'webhooks.yaml');
  writeFileSync(wrong, text);
  const env = { STORAGE_PATH: join(temporaryFolder('wrong'), 'data'), WEBHOOKS_FILE: wrong, PORT: '0' };
  const [bun = ''] = marinaCommand;
  const { code, stderr } = await attempt([bun, 'src/main.ts'], { env });
  expect(code).not.toBe(0);
  expect(stderr.trim().split('\n')).toHaveLength(1);
  expect(stderr).toContain(`WEBHOOKS_FILE=${wrong} cannot be used: `);
  expect(stderr).toContain(reason);
});
