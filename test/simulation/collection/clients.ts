// Clients during collections: they link old objects, delete what others link, and take hours for an upload.
import type { RepositoryName } from '../../../src/oci/names.ts';
import { restore } from '../../../src/registry/restoration.ts';
import { UploadBody } from '../../../src/registry/upload-body.ts';
import type { SimulatedNode } from '../node.ts';
import {
  callerOf,
  deleteBlob,
  deleteManifest,
  deleteRepository,
  deleteTag,
  findBlob,
  mount,
  type Operation,
  perform,
  pushBlob,
  pushManifest,
  readBlob,
  readTag,
} from '../operations.ts';
import { type Content, MANIFESTS, type ManifestContent, REPOSITORIES, TAGS } from '../vocabulary.ts';
import { type Plan, stop } from './plan.ts';
import type { CollectionWorld } from './world.ts';

const OPERATIONS = {
  pushImage: 3,
  pushBlob: 2,
  pushStreamed: 1,
  mount: 5,
  find: 1,
  remove: 5,
  restore: 2,
  deleteTag: 0.5,
  readBlob: 0.5,
  readTag: 0.5,
  upload: 0.7,
};

/** One request, or a few that belong together. */
export async function operate(world: CollectionWorld): Promise<void> {
  const { random } = world;
  const repo = random.pick(REPOSITORIES);
  const [blob, tag] = [random.pick(world.blobs), random.pick(TAGS)];
  switch (random.weighted(OPERATIONS)) {
    case 'pushImage':
      return await pushImage(world, repo, random.pick(world.manifests));
    case 'pushBlob':
      return void (await perform(world, repo, pushBlob(repo, blob, false)));
    case 'pushStreamed':
      return void (await perform(world, repo, pushBlob(repo, blob, true)));
    case 'mount':
      return void (await perform(world, repo, mount(repo, blob, sourceOf(world))));
    case 'find':
      return void (await perform(world, repo, findBlob(repo, blob)));
    case 'remove':
      return await remove(world);
    case 'restore':
      return await undelete(world, repo, blob);
    case 'deleteTag':
      return void (await perform(world, repo, deleteTag(repo, tag)));
    case 'readBlob':
      return void (await perform(world, repo, readBlob(repo, blob)));
    case 'readTag':
      return void (await perform(world, repo, readTag(repo, tag)));
    case 'upload':
      world.lasting.push(uploadForHours(world, repo, blob));
      return;
  }
}

/** A user or the operator deletes existing content. */
export async function remove(world: CollectionWorld): Promise<void> {
  const { random, truth } = world;
  const repo = random.pick([...truth.logs.keys(), ...REPOSITORIES.slice(0, 1)]);
  if (random.chance(0.15)) return void (await perform(world, repo, deleteRepository(repo)));
  const [manifest] = truth.logs.get(repo)?.state.manifests.keys() ?? [];
  const target = world.manifests.find(({ digest }) => digest === manifest) ?? random.pick(world.manifests);
  await perform(world, repo, deleteManifest(repo, target));
  for (const blob of target.blobs) if (random.chance(0.7)) await perform(world, repo, deleteBlob(repo, blob));
}

/**
 * A blob is linked, by a mount or by a push that finds it in the store, and the linking node pauses in the middle. Meanwhile all
 * other repositories delete it.
 */
export async function linkGarbage(world: CollectionWorld, plan: Plan): Promise<void> {
  const { random, scheduler, truth } = world;
  const blob = random.pick(world.blobs);
  const linked = () => REPOSITORIES.filter((repo) => truth.logs.get(repo)?.state.blobs.has(blob.digest) === true);
  const source = random.pick(linked().length > 0 ? linked() : REPOSITORIES);
  if (linked().length === 0) await perform(world, source, pushBlob(source, blob, false));
  const target = random.pick(REPOSITORIES.filter((repo) => repo !== source));
  const node = world.freeNode();
  stop(world, plan.linkers, (machine) => machine === node.machine);
  const operation = random.chance(0.7) ? mount(target, blob, source) : pushBlob(target, blob, random.chance(0.5));
  world.lasting.push(perform(world, target, operation as Operation<unknown>, node));
  await scheduler.sleep(1_000);
  for (const repo of linked()) await removeBlob(world, repo, blob);
}

/** An operator restores a blob or an image. */
async function undelete(world: CollectionWorld, repo: RepositoryName, { digest }: Content): Promise<void> {
  const { random, truth } = world;
  const links = truth.allLinksOf(repo);
  const manifest = random.chance(0.5) ? links.manifests.get(random.pick(world.manifests).digest) : undefined;
  const wanted = (manifest?.refs ?? [digest]).flatMap((each) => links.blobs.get(each) ?? []);
  if (wanted.length === 0) return;
  const restoration = { blobs: wanted, manifests: manifest === undefined ? [] : [manifest], tags: [] };
  await perform(world, repo, {
    what: 'undelete',
    kind: 'write',
    run: (node, label) => restore(repo, restoration, label, node),
    holds:
      () =>
      ({ blobs }) =>
        wanted.every((blob) => blobs.has(blob.digest)),
    refusals: { 'manifest-unknown': () => true },
  });
}

/** Deletes a blob with all manifests that refer to it. */
async function removeBlob(world: CollectionWorld, repo: RepositoryName, blob: Content): Promise<void> {
  for (const manifest of MANIFESTS.filter(({ blobs }) => blobs.includes(blob))) {
    if (world.truth.logs.get(repo)?.state.manifests.has(manifest.digest) !== true) continue;
    await perform(world, repo, deleteManifest(repo, manifest));
  }
  await perform(world, repo, deleteBlob(repo, blob));
}

function sourceOf({ random }: CollectionWorld): RepositoryName | undefined {
  return random.chance(0.8) ? random.pick(REPOSITORIES) : undefined;
}

/** Pushes like a client: checks, mounts or uploads each blob, then puts the manifest, while the blobs are still protected. */
export async function pushImage(
  world: CollectionWorld,
  repo: RepositoryName,
  manifest: ManifestContent,
): Promise<void> {
  const { random, scheduler, setting, history } = world;
  const [begun, step] = [scheduler.now, scheduler.step];
  for (const blob of manifest.blobs) if (!(await bring(world, repo, blob))) return;
  const tags = [random.pick(TAGS)];
  const { outcome } = await perform(world, repo, pushManifest(repo, manifest, tags));
  if (outcome.kind !== 'refused' || outcome.error !== 'manifest-references-unknown') return;
  const isLate = scheduler.now - begun >= setting.grace / 2 - setting.skew;
  if (!isLate && !wasDeleted(world, repo, step)) {
    history.violated(`${repo}: blobs were there ${scheduler.now - begun} ms ago, and the manifest was refused`);
  }
}

async function bring(world: CollectionWorld, repo: RepositoryName, blob: Content): Promise<boolean> {
  const { random } = world;
  if (random.chance(0.5)) {
    const { outcome } = await perform(world, repo, findBlob(repo, blob));
    if (outcome.kind === 'ok') return true;
  }
  if (random.chance(0.5)) {
    const { outcome } = await perform(world, repo, mount(repo, blob, sourceOf(world)));
    if (outcome.kind === 'ok' && outcome.value) return true;
  }
  const { outcome } = await perform(world, repo, pushBlob(repo, blob, random.chance(0.2)));
  return outcome.kind === 'ok';
}

/**
 * Whether a user's delete may have become visible since that step: its slot was written since, or it was the newest one then and its
 * request had not been answered.
 */
function wasDeleted({ truth, history }: CollectionWorld, repo: RepositoryName, step: number): boolean {
  const states = truth.logs.get(repo)?.states ?? [];
  const isAnswered = (label: string): boolean =>
    history.observations.some((each) => each.label === label && each.end < step);
  return states.some(({ since, label }, index) => {
    if (label?.startsWith('delete') !== true) return false;
    return since >= step || ((states[index + 1]?.since ?? step) >= step && !isAnswered(label));
  });
}

/** An upload whose requests are hours apart. */
async function uploadForHours(world: CollectionWorld, repo: RepositoryName, { bytes, digest }: Content): Promise<void> {
  const { random, scheduler, setting, redis, history } = world;
  const name = `upload #${world.nextNumber()}`;
  const pusher = { repo, caller: callerOf(name) };
  const begun = { step: scheduler.step, now: scheduler.now };
  const started = await world.request(`${name} begins`, ({ registry }) => registry.uploads.start(pusher, 'sha256'));
  if (started.outcome.kind !== 'ok') return;
  const { id } = started.outcome.value;
  const half = Math.ceil(bytes.length / 2);
  const rest = async () => {
    const { grace, uploadExpiry } = setting;
    await scheduler.sleep(random.pick([0, 0.6 * grace, 0.4 * uploadExpiry, 0.45 * uploadExpiry, 1.2 * uploadExpiry]));
  };
  const send = (piece: Uint8Array) => (node: SimulatedNode) =>
    node.registry.uploads.append(id, pusher, bodyOf(piece), undefined);
  const close = ({ registry }: SimulatedNode) => registry.uploads.close(id, pusher, digest, bodyOf(), undefined);
  for (const [what, work] of [
    ['first half', send(bytes.slice(0, half))],
    ['second half', send(bytes.slice(half))],
    ['close', close],
  ] as const) {
    const { outcome, begin, end } = await world.request<unknown>(`${name}: ${what}`, work);
    if (outcome.kind === 'refused') {
      const isOver = scheduler.now - begun.now >= setting.uploadExpiry - setting.skew;
      const mayBeLost = redis.losses.some((loss) => loss >= begun.step);
      // A node whose clock is behind may take a removed upload for one without bytes.
      const isExpected = outcome.error === 'upload-unknown' || outcome.error === 'digest-mismatch';
      if (!isExpected || !(isOver || mayBeLost)) {
        history.violated(`${name} in ${repo}: ${what} was refused: ${outcome.error}`);
      }
    }
    if (outcome.kind !== 'ok') return;
    if (what === 'close') {
      const holds = (state: { readonly blobs: ReadonlyMap<Content['digest'], unknown> }) => state.blobs.has(digest);
      history.observations.push({ what: name, repo, kind: 'write', begin, end, label: name, holds });
    }
    await rest();
  }
}

function bodyOf(bytes: Uint8Array = new Uint8Array()): UploadBody {
  const source = async function* (): AsyncIterable<Uint8Array> {
    if (bytes.length > 0) yield bytes.slice();
  };
  return new UploadBody(source(), undefined);
}
