import type { Register } from '../support/drill/history.ts';
import { content, image, mediaTypes } from '../support/oci.ts';
import type { Client, Reply } from './client.ts';
import type { Tell } from './told.ts';
import { upload } from './uploads.ts';
import { type KnownManifest, TAGS } from './world.ts';

/** Layers and config, then the manifest under up to two tags; sometimes it refers to another manifest. */
export async function pushImage(client: Client, repository: string): Promise<void> {
  const { random, world } = client;
  const layers = Array.from({ length: random.between(1, 2) }, () =>
    content(random.bytes(random.between(2, 20_000)), mediaTypes.layer),
  );
  const config = content(random.bytes(200), mediaTypes.config);
  for (const { bytes } of [config, ...layers]) if (!(await pushBlob(client, repository, bytes))) return;
  const subject = random.chance(0.3) ? random.pick(world.pushable(repository)) : undefined;
  const { bytes, descriptor } = image({
    ...{ config, layers },
    ...(subject === undefined
      ? {}
      : { subject: { digest: subject.digest, mediaType: subject.mediaType, size: subject.bytes.length } }),
  });
  const manifest: KnownManifest = {
    ...{ bytes, digest: descriptor.digest, mediaType: descriptor.mediaType },
    blobs: [config, ...layers].map((each) => each.descriptor.digest),
    ...(subject === undefined ? {} : { subject: subject.digest }),
  };
  world.madePushable(repository, manifest);
  await putManifest(client, repository, manifest);
}

export async function pushToFreshRepository(client: Client): Promise<void> {
  await pushImage(client, `fresh/repository-${++client.world.fresh}`);
}

/** @returns whether it was acknowledged */
export async function pushBlob(client: Client, repository: string, bytes: Uint8Array): Promise<boolean> {
  const { random, world } = client;
  if (random.chance(0.6)) return await upload(client, repository, bytes);
  const { digest } = content(bytes, mediaTypes.layer).descriptor;
  const operation = world.history.begin([world.history.blob(repository, digest), 'present']);
  const target = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
  const reply = await client.send('POST', target, { body: new Uint8Array(bytes) });
  if (reply?.status === 201) {
    world.repositories.add(repository);
    operation.acknowledge();
    return true;
  }
  // 202: the node could not link it in one request, and opened an upload instead.
  if (reply !== undefined) {
    operation.refuse();
    unexpected(client, `POST ${target}`, reply);
  }
  return false;
}

/** By a tag, by digest with tag parameters, or only by digest. All of it takes effect, or nothing. */
export async function putManifest(client: Client, repository: string, manifest: KnownManifest): Promise<void> {
  const { random, world } = client;
  const { history } = world;
  const tags = new Set(Array.from({ length: random.between(0, 2) }, () => random.pick(TAGS) ?? 'latest'));
  const [first, ...others] = tags;
  const byTag = first !== undefined && others.length === 0;
  const query = byTag ? '' : `?${[...tags].map((tag) => `tag=${tag}`).join('&')}`;
  const target = `/v2/${repository}/manifests/${byTag ? first : manifest.digest}${query}`;
  const operation = history.begin(
    [history.manifest(repository, manifest.digest), 'present'],
    ...[...tags].map((tag) => [history.tag(repository, tag), manifest.digest] as const),
  );
  const headers = { 'content-type': manifest.mediaType };
  const tell = world.told.begin();
  const reply = await client.send('PUT', target, { headers, body: new Uint8Array(manifest.bytes) });
  const outcome = outcomeOf(reply, 201);
  if (outcome !== undefined) {
    const set = { kind: 'swap', expected: 'anything', value: manifest.digest, outcome } as const;
    for (const tag of tags) tell(repository, tag, set);
  }
  if (reply?.status === 201) {
    world.repositories.add(repository);
    operation.acknowledge();
  } else if (reply !== undefined) {
    operation.refuse();
    // Its blobs were acknowledged in this repository.
    world.figures.violate('lost', `PUT ${target}: ${reply.status} ${new TextDecoder().decode(reply.bytes)}`);
  }
}

export async function moveTag(client: Client, repository: string): Promise<void> {
  const manifest = client.random.pick(client.world.pushable(repository));
  await (manifest === undefined ? pushImage(client, repository) : putManifest(client, repository, manifest));
}

export async function deleteTag(client: Client, repository: string): Promise<void> {
  const tag = client.random.pick(TAGS) ?? 'latest';
  await remove(client, client.world.history.tag(repository, tag));
}

export async function deleteManifest(client: Client, repository: string): Promise<void> {
  const manifest = client.random.pick(client.world.pushable(repository));
  if (manifest !== undefined) await remove(client, client.world.history.manifest(repository, manifest.digest));
}

async function remove(client: Client, register: ReturnType<Client['world']['history']['tag']>): Promise<void> {
  const { world } = client;
  const allowed = world.history.watch(register);
  const operation = world.history.begin([register, undefined]);
  const tell = world.told.begin();
  const reply = await client.send('DELETE', `/v2/${register.repository}/manifests/${register.name}`);
  tellRemoval(register, reply, tell);
  if (reply?.status === 202) operation.acknowledge();
  // The balancer never sends a DELETE twice.
  if (reply?.status !== 404) return;
  operation.refuse();
  if (!allowed().has(undefined)) world.violate('stale', register, undefined, 'DELETE said that it does not exist');
}

/** The deletion of a manifest deletes its tags; which, nobody is told. */
function tellRemoval({ kind, repository, name }: Register, reply: Reply | undefined, tell: Tell): void {
  const outcome = outcomeOf(reply, 202);
  if (kind === 'tag') {
    const deleted = { kind: 'swap', expected: 'present', value: undefined } as const;
    if (outcome !== undefined) tell(repository, name, { ...deleted, outcome });
    else if (reply?.status === 404) tell(repository, name, { kind: 'read', outcome: undefined });
  } else if (outcome !== undefined) {
    const isDone = outcome === 'done';
    const dropped = { kind: 'swap', expected: [name], value: undefined, outcome: isDone ? 'untold' : outcome } as const;
    for (const tag of TAGS) tell(repository, tag, dropped);
  }
}

/** How a write ended; undefined if it was refused. */
function outcomeOf(reply: Reply | undefined, done: number): 'done' | 'unknown' | undefined {
  if (reply === undefined) return 'unknown';
  return reply.status === done ? 'done' : undefined;
}

export function unexpected({ world }: Client, what: string, { status, bytes }: Reply): void {
  world.figures.violate('defects', `${what}: ${status} ${new TextDecoder().decode(bytes).slice(0, 300)}`);
}
