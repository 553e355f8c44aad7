// Replicas from outside: real servers, each with a data folder. REPLICA_TIMES=long kills them more often.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { marina } from '../cli/marina.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, type Image, image, pushImage, pushManifest, randomBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { becomesEqual, expectPull, refusalOf, replica, replicaOf, startReplica, verified } from './replicas.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const REPO = 'team/app';
const KILLS = process.env.REPLICA_TIMES === 'long' ? 20 : 2;
/** The logs of a store beside those of repositories: notes and robots. */
const STORE_LOGS = 2;
const REPOSITORIES = 10;
const LOGS = STORE_LOGS + 2 + REPOSITORIES;

interface Refused {
  readonly errors: readonly [{ readonly code: string; readonly message: string }];
}

const dataPath = temporaryFolder('primary');
const [small, large] = [image(), image({ layers: [randomBlob(3 * 1024 * 1024)] })];
const many = Array.from({ length: 3 * REPOSITORIES }, (_, n) => ({
  repo: `many/r${n % REPOSITORIES}`,
  tag: `v${n}`,
  pushed: image(),
}));
let primary: Server;
let settings: ReturnType<typeof replicaOf>;
let copy: Server;

function restartPrimary(): Promise<Server> {
  return startServer({ STORAGE_PATH: dataPath, PORT: String(primary.port) });
}

function put(pushed: Image): RequestInit {
  return { method: 'PUT', headers: { 'content-type': pushed.descriptor.mediaType }, body: pushed.bytes };
}

beforeAll(async () => {
  primary = await startServer({ STORAGE_PATH: dataPath });
  const { url } = primary;
  await pushImage(url, REPO, small, 'small');
  await pushImage(url, REPO, large, 'large');
  await pushImage(url, 'team/other', small, 'v1');
  await expectStatus(202, `${url}/v2/team/other/manifests/v1`, { method: 'DELETE' });
  await Promise.all(many.map(({ repo, tag, pushed }) => pushImage(url, repo, pushed, tag)));
  settings = replicaOf(url, { NODE_NAME: 'the-copy' });
});

test('a replica that was killed during its first sync goes on, and becomes equal to its primary', async () => {
  for (let kill = 0; kill < KILLS; kill++) {
    const killed = await startReplica(settings);
    await Bun.sleep(Math.random() * 300);
    await killed.kill();
  }
  copy = await startReplica(settings);
  await becomesEqual(settings, LOGS);
  for (const { repo, tag, pushed } of many) await expectPull(copy.url, repo, tag, pushed);
  await expectPull(copy.url, REPO, 'large', large);
  expect((await marina(settings.STORAGE_PATH, 'fsck', '--scrub')).code).toBe(0);
});

test('its primary shows it to administrators, by its name, and how far it is', async () => {
  const replicas = async (): Promise<unknown> => {
    const { bytes } = await expectStatus(200, `${primary.url}/api/v1/operations`);
    const seen: { readonly replicas: { readonly replicas: unknown } } = JSON.parse(new TextDecoder().decode(bytes));
    return seen.replicas.replicas;
  };
  const upToDate = { name: 'the-copy', client: '127.0.0.1', note: expect.any(Number), behind: { notes: 0 } };
  await eventually(async () => expect(await replicas()).toMatchObject([upToDate]));
  // A part of the page that takes more than two seconds is left out.
  await eventually(async () => {
    const page = await expectStatus(200, `${primary.url}/ui/operations`);
    expect(new TextDecoder().decode(page.bytes)).toMatch(/<b>the-copy<\/b><span class="badge badge-good">up to date</);
  });
  // A replica that stands still is behind.
  copy.process.kill('SIGSTOP');
  try {
    await pushImage(primary.url, REPO, image(), 'behind');
    await eventually(async () =>
      expect(await replicas()).toMatchObject([{ behind: { notes: expect.any(Number), since: expect.any(String) } }]),
    );
  } finally {
    copy.process.kill('SIGCONT');
  }
  await eventually(async () => expect(await replicas()).toMatchObject([upToDate]));
});

test('it has what is pushed within seconds, serves pulls while its primary is away, and follows it again', async () => {
  const later = image();
  await pushImage(primary.url, REPO, later, 'later');
  await eventually(async () => {
    const changes = await fetch(`${copy.url}/api/v1/repositories/${REPO}`);
    expect(await changes.text()).toContain('later');
  });
  await primary.kill();
  await expectPull(copy.url, REPO, 'later', later);
  await expectPull(copy.url, REPO, 'small', small);
  await expectStatus(404, `${copy.url}/v2/${REPO}/manifests/none`);
  const away = await replica(settings, 'status');
  expect([away.code, away.lines.at(-1)]).toEqual([1, expect.stringContaining('does not answer')]);
  primary = await restartPrimary();
  await pushManifest(primary.url, REPO, small, 'v2');
  await becomesEqual(settings, LOGS);
  await expectPull(copy.url, REPO, 'v2', small);
  await eventually(async () => expect((await replica(settings, 'status')).lines.at(-1)).toBe('lag      none'));
  await eventually(async () => {
    const operations: unknown = await (await fetch(`${copy.url}/api/v1/operations`)).json();
    expect(operations).toMatchObject({ writes: { state: 'replica' }, replica: { source: primary.url, changes: 0 } });
    expect(await (await fetch(`${copy.url}/ui/operations`)).text()).toContain('Only the source of this replica');
  });
});

test('it refuses writes with a message that names the primary, or redirects them', async () => {
  const refused = await expectStatus(405, `${copy.url}/v2/${REPO}/manifests/v3`, put(small));
  const { errors }: Refused = JSON.parse(new TextDecoder().decode(refused.bytes));
  expect(errors[0]).toMatchObject({
    code: 'UNSUPPORTED',
    message: `this registry is a replica of ${primary.url}: push and delete there`,
  });
  await expectStatus(405, `${copy.url}/v2/${REPO}/blobs/uploads/`, { method: 'POST' });
  await expectStatus(405, `${copy.url}/v2/${REPO}/manifests/small`, { method: 'DELETE' });
  expect((await marina(settings.STORAGE_PATH, 'rm', REPO)).stderr).toContain(`a replica of ${primary.url}`);
  await copy.stop();
  copy = await startReplica({ ...settings, REPLICA_WRITES: 'redirect' });
  const { headers } = await expectStatus(307, `${copy.url}/v2/${REPO}/manifests/v3?tag=x`, put(small));
  expect(headers.get('location')).toBe(`${primary.url}/v2/${REPO}/manifests/v3?tag=x`);
  expect((await fetch(`${copy.url}/v2/${REPO}/manifests/followed`, put(small))).status).toBe(201);
  await expectPull(primary.url, REPO, 'followed', small);
});

describe('a promotion', () => {
  let other: ReturnType<typeof replicaOf>;
  const mine = image();

  test('of a replica whose replica goes on with it; the two cannot follow each other', async () => {
    other = replicaOf(copy.url);
    const far = await startReplica(other);
    await becomesEqual(other, LOGS);
    await expectPull(far.url, REPO, 'small', small);
    await copy.stop();
    expect(await refusalOf({ ...settings, REPLICA_OF: far.url })).toContain('would follow each other');
    await far.stop();
    copy = await startReplica(settings);
  });

  test('makes a replica a primary within seconds', async () => {
    await becomesEqual(settings, LOGS);
    await primary.kill();
    const { code, stderr, stdout } = await replica(settings, 'promote');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toStartWith('promoted: ');
    await eventually(() => pushImage(copy.url, REPO, mine, 'mine'));
    expect((await replica(settings, 'promote')).stderr).toContain('was already promoted');
  });

  test('cannot be undone: REPLICA_OF is refused, and the former primary is not asked any more', async () => {
    primary = await restartPrimary();
    await pushManifest(primary.url, REPO, small, 'theirs');
    await expectStatus(404, `${copy.url}/v2/${REPO}/manifests/theirs`);
    expect((await verified(settings)).different).toBeGreaterThan(0);
    await copy.stop();
    expect(await refusalOf(settings)).toContain('REPLICA_OF is still set, but this store was promoted at ');
    copy = await startServer({ STORAGE_PATH: settings.STORAGE_PATH });
    await expectPull(copy.url, REPO, 'mine', mine);
  });

  test('parts the histories: a replica of the promoted store refuses the former primary', async () => {
    const following = { ...other, REPLICA_OF: copy.url };
    const moved = await startReplica(following);
    await becomesEqual(following, LOGS);
    await expectPull(moved.url, REPO, 'mine', mine);
    await moved.stop();
    expect(await refusalOf({ ...other, REPLICA_OF: primary.url })).toContain('the source has a different history');
    expect(await refusalOf({ STORAGE_PATH: other.STORAGE_PATH })).toContain('this store is a replica of');
    // Also without a server.
    expect((await replica(following, 'promote')).code).toBe(0);
    const third = await startServer({ STORAGE_PATH: other.STORAGE_PATH });
    await pushManifest(third.url, REPO, small, 'third');
  });
});

test('a primary has nothing to promote, and says so', async () => {
  const { code, stderr } = await marina(dataPath, 'replica', 'promote');
  expect([code, stderr]).toEqual([1, 'marina: this store is no replica: there is nothing to promote\n']);
});

test('a store with a history of its own does not become a replica, and the first start needs an answer', async () => {
  await primary.stop();
  expect(await refusalOf({ STORAGE_PATH: dataPath, REPLICA_OF: copy.url })).toContain('a history of its own');
  expect(await refusalOf(replicaOf(primary.url))).toContain(`${primary.url} does not answer`);
});
