// Both servers are killed at random while clients push. In the end the two are equal, and every acknowledged tag is pulled from the
// replica. REPLICA_TIMES=long goes on for minutes.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import { marina } from '../cli/marina.ts';
import { eventually } from '../support/eventually.ts';
import { expectStatus, type Image, image, pushImage } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { becomesEqual, becomesNoted, expectPull, replicaOf, startReplica } from './replicas.ts';

const isLong = process.env.REPLICA_TIMES === 'long';
const SECONDS = isLong ? 180 : 5;
const CLIENTS = 4;
const REPOSITORIES = 5;

setDefaultTimeout((SECONDS + 200) * 1_000);
afterAll(cleanUp);

interface Change {
  readonly type: string;
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
}

/** All changes, by the pages of the feed. */
async function changesOf(url: string, since: string): Promise<{ changes: string[]; cursor: string }> {
  const changes: string[] = [];
  for (let cursor = since; ; ) {
    const answer = await expectStatus(200, `${url}/api/v1/changes?limit=1000&since=${cursor}`);
    const page: { changes: (Change & { id: string })[]; cursor: string; more: boolean } = JSON.parse(
      new TextDecoder().decode(answer.bytes),
    );
    changes.push(...page.changes.map(({ id }) => id));
    cursor = page.cursor;
    if (!page.more) return { changes, cursor };
  }
}

test('kill -9 of either side while clients push leaves two equal registries with everything that was acknowledged', async () => {
  const STORAGE_PATH = temporaryFolder('drill');
  let primary = await startServer({ STORAGE_PATH });
  const { url, port } = primary;
  const settings = replicaOf(url);
  let copy: Server = await startReplica(settings);
  const acknowledged = new Map<string, Image>();
  const end = performance.now() + SECONDS * 1_000;
  const isOver = (): boolean => performance.now() > end;

  const push = async (client: number): Promise<void> => {
    for (let n = 0; !isOver(); n++) {
      const pushed = image();
      const repo = `drill/r${n % REPOSITORIES}`;
      const tag = `c${client}-${n}`;
      try {
        await pushImage(url, repo, pushed, tag);
        acknowledged.set(`${repo} ${tag}`, pushed);
      } catch {
        // The primary was killed. The push was not acknowledged.
        await Bun.sleep(50);
      }
    }
  };
  const kill = async (): Promise<number> => {
    for (let kills = 0; ; kills++) {
      await Bun.sleep(300 + Math.random() * 1_200);
      if (isOver()) return kills;
      if (Math.random() < 0.5) {
        await primary.kill();
        primary = await startServer({ STORAGE_PATH, PORT: String(port) });
      } else {
        await copy.kill();
        copy = await startReplica(settings);
      }
    }
  };
  const [kills] = await Promise.all([kill(), ...Array.from({ length: CLIENTS }, (_, client) => push(client))]);
  expect(kills).toBeGreaterThan(0);
  expect(acknowledged.size).toBeGreaterThan(0);

  await becomesEqual(settings, 2 + REPOSITORIES);
  await primary.kill();
  for (const [name, pushed] of acknowledged) {
    const [repo = '', tag = ''] = name.split(' ');
    await expectPull(copy.url, repo, tag, pushed);
  }
  expect((await marina(settings.STORAGE_PATH, 'fsck', '--scrub')).code).toBe(0);
  // The feed is the same, and a cursor of one is a cursor of the other.
  primary = await startServer({ STORAGE_PATH, PORT: String(port) });
  await becomesNoted(STORAGE_PATH);
  await becomesEqual(settings, 2 + REPOSITORIES);
  const here = await changesOf(primary.url, 'beginning');
  // A note has its name a moment before the replica shows it.
  await eventually(async () => expect((await changesOf(copy.url, 'beginning')).changes).toEqual(here.changes));
  await pushImage(primary.url, 'drill/last', image(), 'v1');
  await becomesNoted(STORAGE_PATH);
  await becomesEqual(settings, 3 + REPOSITORIES);
  await eventually(async () => expect((await changesOf(copy.url, here.cursor)).changes).toHaveLength(4));
});
