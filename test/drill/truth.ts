import type { RepositoryState } from '../../src/journal/fold.ts';
import { foldLog } from '../../src/journal/log.ts';
import { parseRepositoryName } from '../../src/oci/names.ts';
import type { StorageDriver } from '../../src/storage/driver.ts';
import { dataKey } from '../../src/storage/paths.ts';
import { openS3Store } from '../../src/storage/s3/open.ts';
import { concurrently } from '../support/concurrently.ts';
import { markedRepositories, type Walked, walkChain } from '../support/drill/chain.ts';
import { Fault } from '../support/drill/fault.ts';
import { configurationOf, realPorts } from '../support/minio.ts';
import type { Client } from './client.ts';
import { jsonOf } from './reads.ts';
import type { Stack } from './stack.ts';

const CONCURRENCY = 8;

export interface Truth {
  readonly repositories: number;
  readonly slots: number;
  readonly objects: number;
}

/**
 * Checks the store: slots are contiguous, each with the hash of the previous one; every linked object exists with its size; and
 * the answers of every node agree with a fresh fold of the log.
 */
export async function checkTruth(stack: Stack, client: Client): Promise<Truth> {
  const { endpoint, bucket } = stack.storeSettings;
  const { driver, close } = await openS3Store(
    { ...configurationOf(endpoint, bucket), s3Prefix: undefined },
    realPorts(),
  );
  const walked: Walked = { slots: 0, heads: new Map() };
  let objects = 0;
  try {
    const names = await markedRepositories(driver);
    await concurrently(CONCURRENCY, names, async (name) => {
      await recordFault(client, () => walkChain(driver, name, walked));
      const repository = parseRepositoryName(name);
      if (repository === undefined) return;
      const { state } = await foldLog(driver, repository);
      objects += await checkObjects(driver, client, name, state);
      for (let node = 0; node < client.nodes; node++) await compare(client, name, state, node);
    });
    return { repositories: names.length, slots: walked.slots, objects };
  } finally {
    await close();
  }
}

async function recordFault(client: Client, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    client.world.figures.violate('lost', error.message);
  }
}

async function checkObjects(
  driver: StorageDriver,
  client: Client,
  name: string,
  state: RepositoryState,
): Promise<number> {
  const links = [
    ...[...state.blobs].map(([digest, { inc, size }]) => ({ digest, inc, size })),
    ...[...state.manifests].map(([digest, { inc, size }]) => ({ digest, inc, size })),
  ];
  await concurrently(CONCURRENCY, links, async ({ digest, inc, size }) => {
    const found = await driver.head(dataKey(inc));
    if (found?.size === size) return;
    const what = found === undefined ? 'nothing' : `${found.size} bytes`;
    client.world.figures.violate('lost', `${digest} of ${name} is linked to ${inc}: ${what} instead of ${size} bytes`);
  });
  return links.length;
}

async function compare(client: Client, name: string, state: RepositoryState, node: number): Promise<void> {
  const differs = (what: string): void =>
    client.world.figures.violate('stale', `node ${node + 1} and the log of ${name} differ in ${what}`);
  const listing = await client.send('GET', `/v2/${name}/tags/list`, { node });
  const listed = listing?.status === 200 ? (jsonOf(listing) as { tags?: string[] }).tags : undefined;
  const expected = state.exists ? [...state.tags.keys()].sort() : undefined;
  if (JSON.stringify(listed) !== JSON.stringify(expected)) differs(`the list of tags: ${listed}`);
  for (const [tag, digest] of state.tags) {
    const reply = await client.send('HEAD', `/v2/${name}/manifests/${tag}`, { node });
    const shown = reply?.headers.get('docker-content-digest');
    if (shown !== digest) differs(`the tag ${tag}: ${shown} instead of ${digest}`);
  }
  for (const [digest] of state.manifests) {
    const reply = await client.send('HEAD', `/v2/${name}/manifests/${digest}`, { node });
    if (reply?.status !== 200) differs(`the manifest ${digest}: ${reply?.status}`);
  }
  for (const [subject, referrers] of state.referrers) {
    const reply = await client.send('GET', `/v2/${name}/referrers/${subject}`, { node });
    const manifests = reply?.status === 200 ? (jsonOf(reply) as { manifests: { digest: string }[] }).manifests : [];
    const shown = manifests.map(({ digest }) => digest).sort();
    if (JSON.stringify(shown) !== JSON.stringify([...referrers].sort())) differs(`the referrers of ${subject}`);
  }
}
