import type { Register, Value } from '../support/drill/history.ts';
import type { Client, Reply } from './client.ts';
import { TAGS } from './world.ts';

/** Through the balancer, or directly from a node. */
function somewhere(client: Client): number | undefined {
  return client.random.chance(0.3) ? client.anyNode() : undefined;
}

/** Pulls a tag's manifest and its blobs, and compares them byte for byte. */
export async function pullTag(client: Client, repository: string): Promise<void> {
  const { random, world } = client;
  const tag = world.history.tag(repository, random.pick(TAGS) ?? 'latest');
  const digest = await readTag(client, tag, somewhere(client));
  const manifest = digest === undefined ? undefined : world.manifests.get(digest);
  const blob = random.pick(manifest?.blobs ?? []);
  if (blob !== undefined) await readBlob(client, world.history.blob(repository, blob), somewhere(client));
}

/** @returns undefined if it does not exist, or without a response */
async function readTag(client: Client, tag: Register, node: number | undefined): Promise<string | undefined> {
  const { world } = client;
  const allowed = world.history.watch(tag);
  const tell = world.told.begin();
  const reply = await client.pull(`/v2/${tag.repository}/manifests/${tag.name}`, node);
  if (reply === undefined) return undefined;
  const digest = reply.status === 200 ? checkManifest(client, tag, reply) : undefined;
  tell(tag.repository, tag.name, { kind: 'read', outcome: digest });
  checkValue(client, tag, allowed(), digest, node);
  return digest;
}

/** @returns the digest that the response states */
export function checkManifest(client: Client, register: Register, { bytes, headers }: Reply): string {
  const digest = headers.get('docker-content-digest') ?? '';
  client.checkBytes(String(register), digest, bytes);
  const manifest = client.world.manifests.get(digest);
  if (manifest !== undefined && headers.get('content-type') !== manifest.mediaType) {
    client.world.figures.violate('wrong', `${register} has the media type ${headers.get('content-type')}`);
  }
  return digest;
}

async function readBlob(client: Client, blob: Register, node: number | undefined): Promise<void> {
  const allowed = client.world.history.watch(blob);
  const reply = await client.pull(`/v2/${blob.repository}/blobs/${blob.name}`, node);
  if (reply === undefined) return;
  if (reply.status === 200) client.checkBytes(String(blob), blob.name, reply.bytes);
  checkValue(client, blob, allowed(), reply.status === 200 ? 'present' : undefined, node);
}

/** Every tag that certainly exists is listed, and none that certainly does not. */
export async function listTags(client: Client, repository: string): Promise<void> {
  const tags = TAGS.map((name) => client.world.history.tag(repository, name));
  await list(client, tags, `/v2/${repository}/tags/list`, (body) => (body as { tags?: string[] }).tags ?? []);
}

export async function listReferrers(client: Client, repository: string): Promise<void> {
  const { world, random } = client;
  const subject = random.pick(world.pushable(repository));
  if (subject === undefined) return;
  const referrers = [...world.manifests.values()].filter((each) => each.subject === subject.digest);
  const registers = referrers.map(({ digest }) => world.history.manifest(repository, digest));
  await list(client, registers, `/v2/${repository}/referrers/${subject.digest}`, referrersIn);
}

export function referrersIn(body: unknown): string[] {
  return ((body as { manifests?: { digest: string }[] }).manifests ?? []).map(({ digest }) => digest);
}

async function list(
  client: Client,
  registers: readonly Register[],
  path: string,
  namesIn: (body: unknown) => readonly string[],
): Promise<void> {
  const node = somewhere(client);
  const tell = client.world.told.begin();
  const watched = registers.map((register) => ({ register, allowed: client.world.history.watch(register) }));
  const reply = await client.pull(path, node);
  if (reply === undefined) return;
  const names = reply.status === 200 ? new Set(namesIn(jsonOf(reply))) : new Set<string>();
  for (const { register, allowed } of watched) {
    const values = allowed();
    const isListed = names.has(register.name);
    if (register.kind === 'tag') tell(register.repository, register.name, { kind: 'list', outcome: isListed });
    const isPossible = isListed ? [...values].some((value) => value !== undefined) : values.has(undefined);
    if (!isPossible) checkValue(client, register, values, isListed ? 'listed' : undefined, node);
  }
}

/** Repositories whose pushes were acknowledged before the request are in the catalog. */
export async function listCatalog(client: Client): Promise<void> {
  const { world } = client;
  const expected = [...world.repositories];
  const reply = await client.pull('/v2/_catalog', somewhere(client));
  if (reply === undefined) return;
  const listed = new Set((jsonOf(reply) as { repositories?: string[] }).repositories ?? []);
  const missing = expected.filter((each) => !listed.has(each));
  if (missing.length > 0) world.figures.violate('stale', `the catalog lacks ${missing.join(', ')}`);
}

export function jsonOf({ bytes }: Reply): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** During writes the observed value must be one of the possible ones. */
function checkValue(
  { world }: Client,
  register: Register,
  allowed: ReadonlySet<Value>,
  seen: Value,
  node?: number,
): void {
  if (allowed.has(seen)) return;
  const where = node === undefined ? '' : ` by node ${node + 1}`;
  world.violate('stale', register, seen, `under load was answered${where}`);
}
