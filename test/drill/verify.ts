import { concurrently } from '../support/concurrently.ts';
import type { Register, Value } from '../support/drill/history.ts';
import type { Client, Reply } from './client.ts';
import { checkManifest, jsonOf, referrersIn } from './reads.ts';

/** Concurrent requests of a check of everything. */
const CONCURRENCY = 12;
const TRIES = 20;

/**
 * Compares what the nodes show with the responses that clients got, while nothing else is going on. Afterwards the history starts
 * from what was observed.
 * @param everything checks all that was ever written, instead of what was touched since the last check
 */
export async function verify(client: Client, everything: boolean): Promise<void> {
  const { history } = client.world;
  const chosen = history.all().filter((register) => everything || register.touched);
  const repositories = new Set(chosen.map(({ repository }) => repository));
  // All tags of a repository: their list must be complete, and deleting a manifest deletes its tags.
  const tags = [...repositories].flatMap((repository) => history.tagsOf(repository));
  const contents = chosen.filter(({ kind }) => kind !== 'tag');
  const seen = new Map<Register, Value>();
  await concurrently(CONCURRENCY, [...tags, ...contents], async (register) => {
    seen.set(register, register.kind === 'tag' ? await observeTag(client, register) : await observe(client, register));
  });
  await concurrently(CONCURRENCY, [...repositories], (repository) => checkLists(client, repository, seen));
  await checkCatalog(client, seen);
  // Tags first: their possible values depend on deletions of their manifests.
  for (const register of [...tags, ...contents]) register.settle(seen.get(register));
}

/** Every node shows the same, and visible tags can be pulled. */
async function observeTag(client: Client, tag: Register): Promise<Value> {
  const { world } = client;
  const values: Value[] = [];
  for (let node = 0; node < client.nodes; node++) {
    const tell = world.told.begin();
    const reply = await get(client, `/v2/${tag.repository}/manifests/${tag.name}`, node);
    const value = reply?.status === 200 ? checkManifest(client, tag, reply) : undefined;
    if (reply !== undefined) tell(tag.repository, tag.name, { kind: 'read', outcome: value });
    if (!tag.possible().has(value)) world.violate('lost', tag, value, `at the end was shown by node ${node + 1}`);
    values.push(value);
  }
  const [first] = values;
  if (new Set(values).size > 1) world.violate('stale', tag, first, `nodes differ (${values.join(', ')})`);
  for (const blob of (first === undefined ? undefined : world.manifests.get(first))?.blobs ?? []) {
    const reply = await get(client, `/v2/${tag.repository}/blobs/${blob}`, client.anyNode());
    if (reply?.status !== 200) world.violate('torn', tag, first, `its blob ${blob} is missing`);
  }
  return first;
}

async function observe(client: Client, register: Register): Promise<Value> {
  const { kind, repository, name } = register;
  const node = client.anyNode();
  const reply = await get(client, `/v2/${repository}/${kind}s/${name}`, node);
  const value = reply?.status === 200 ? 'present' : undefined;
  if (value !== undefined && reply !== undefined) client.checkBytes(String(register), name, reply.bytes);
  if (!register.possible().has(value)) {
    client.world.violate('lost', register, value, `at the end was shown by node ${node + 1}`);
  }
  return value;
}

async function checkLists(client: Client, repository: string, seen: ReadonlyMap<Register, Value>): Promise<void> {
  const { world } = client;
  const tags = world.history.tagsOf(repository);
  const subjects = new Set(
    [...world.manifests.values()].flatMap(({ subject }) => (subject === undefined ? [] : [subject])),
  );
  for (let node = 0; node < client.nodes; node++) {
    const listed = new Set(
      await names(client, `/v2/${repository}/tags/list`, node, (body) => (body as { tags?: string[] }).tags ?? []),
    );
    for (const tag of tags) {
      const isThere = seen.get(tag) !== undefined;
      if (listed.has(tag.name) !== isThere) {
        world.violate('torn', tag, seen.get(tag), `node ${node + 1} ${isThere ? 'does not list' : 'lists'} it`);
      }
    }
  }
  for (const subject of subjects) {
    const referrers = [...world.manifests.values()].filter((each) => each.subject === subject);
    const registers = referrers.map(({ digest }) => world.history.manifest(repository, digest));
    const shownOf = (register: Register): Value => (seen.has(register) ? seen.get(register) : register.settled);
    if (registers.every((register) => shownOf(register) === undefined)) continue;
    const listed = new Set(
      await names(client, `/v2/${repository}/referrers/${subject}`, client.anyNode(), referrersIn),
    );
    for (const register of registers) {
      const isThere = shownOf(register) !== undefined;
      if (listed.has(register.name) !== isThere)
        world.violate('torn', register, shownOf(register), `as a referrer of ${subject}`);
    }
  }
}

async function names(
  client: Client,
  path: string,
  node: number,
  namesIn: (body: unknown) => readonly string[],
): Promise<readonly string[]> {
  const reply = await get(client, path, node);
  return reply?.status === 200 ? namesIn(jsonOf(reply)) : [];
}

async function checkCatalog(client: Client, seen: ReadonlyMap<Register, Value>): Promise<void> {
  const held = [...seen].filter(([, value]) => value !== undefined).map(([{ repository }]) => repository);
  const expected = [...new Set([...held, ...client.world.repositories])];
  for (let node = 0; node < client.nodes; node++) {
    const listed = new Set(
      await names(client, '/v2/_catalog', node, (body) => (body as { repositories?: string[] }).repositories ?? []),
    );
    const missing = expected.filter((each) => !listed.has(each));
    if (missing.length > 0)
      client.world.figures.violate('lost', `node ${node + 1}'s catalog lacks ${missing.join(', ')}`);
  }
}

/** After all faults have ended a response comes, if not at once. */
async function get(client: Client, path: string, node: number): Promise<Reply | undefined> {
  for (let tries = 1; tries <= TRIES; tries++) {
    const reply = await client.send('GET', path, { node });
    if (reply !== undefined) return reply;
    await Bun.sleep(300);
  }
  client.world.figures.violate(
    'lost',
    `GET ${path} is not answered by node ${node + 1}, although all faults have ended`,
  );
  return undefined;
}
