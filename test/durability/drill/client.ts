import { Fault } from '../../support/drill/fault.ts';
import type { Random } from '../../support/drill/random.ts';
import { type Content, content, image, index, mediaTypes } from '../../support/oci.ts';
import { Gone } from './node.ts';
import { expectStatus, locationOf, open, proceed, Upload } from './upload.ts';
import { type KnownManifest, remember, type Session, type SharedBlob } from './world.ts';

const REPOSITORIES = ['drill/one', 'drill/two', 'drill-three'] as const;
/** Few, so that clients move the same tags concurrently. */
const TAGS = Array.from({ length: 24 }, (_, number) => `tag-${number}`);
const MAX_PUSHABLE = 30;
const MAX_SHARED = 40;
const MAX_IDLE = 20;

/** Before the first kill: makes logs so long that snapshots are written while servers are killed. */
export async function fillLogs(session: Session, slots: number, random: Random): Promise<void> {
  for (const repository of REPOSITORIES) {
    for (const _ of [1, 2]) await pushImage(session, repository, random);
    for (let slot = 0; slot < slots; slot++) await moveTag(session, repository, random);
  }
}

/** One client: sends one request after another until the server is killed. */
export async function work(session: Session, random: Random): Promise<void> {
  try {
    for (;;) await step(session, random);
  } catch (error) {
    // A request in flight stays so in the history.
    if (!(error instanceof Gone)) throw error;
  }
}

type Step = (session: Session, repository: string, random: Random) => Promise<void>;

/** The next step of a client, with its percentage. */
const STEPS: readonly (readonly [number, Step])[] = [
  [30, pushImage],
  [4, pushToFreshRepository],
  [16, moveTag],
  [7, pushIndex],
  [7, deleteTag],
  [4, deleteManifest],
  [8, mount],
  [5, looseBlob],
  [5, readTag],
  [6, beginBigUpload],
  [8, resumeUpload],
];

function step(session: Session, random: Random): Promise<void> {
  const repository = random.pick(REPOSITORIES) ?? REPOSITORIES[0];
  // Uploads that kills interrupted must not pile up.
  const crowded = session.world.idle.length > MAX_IDLE && random.chance(0.5);
  let drawn = crowded ? Number.POSITIVE_INFINITY : random.between(1, 100);
  const chosen = STEPS.find(([weight]) => {
    drawn -= weight;
    return drawn <= 0;
  });
  return (chosen?.[1] ?? resumeUpload)(session, repository, random);
}

/** The first slot of a log is written together with its marker and its folders. */
function pushToFreshRepository(session: Session, _: string, random: Random): Promise<void> {
  return pushImage(session, `fresh/repository-${++session.world.freshRepositories}`, random);
}

async function pushImage(session: Session, repository: string, random: Random): Promise<void> {
  const layers = Array.from({ length: random.between(1, 2) }, () =>
    content(layerBytes(session, random), mediaTypes.layer),
  );
  const config = content(random.bytes(200), mediaTypes.config);
  for (const blob of [config, ...layers]) await pushBlob(session, repository, blob.bytes, random);
  const pushed = image({ config, layers });
  const manifest = known(
    pushed,
    [config, ...layers].map(({ descriptor }) => descriptor.digest),
  );
  session.world.manifests.set(manifest.digest, manifest);
  const pushable = session.world.pushable.get(repository) ?? [];
  remember(pushable, manifest, MAX_PUSHABLE);
  session.world.pushable.set(repository, pushable);
  await putManifest(session, repository, manifest, random);
}

/** Sometimes bytes that another repository already has: the server links those and drops the new ones. */
function layerBytes({ world }: Session, random: Random): Uint8Array {
  const shared = random.chance(0.2) ? random.pick(world.shared) : undefined;
  return shared?.bytes ?? random.bytes(random.between(2, 20_000));
}

function known({ bytes, descriptor }: Content, blobs: readonly string[]): KnownManifest {
  return { digest: descriptor.digest, mediaType: descriptor.mediaType, bytes, blobs };
}

/** In one of the ways to push a whole blob. */
async function pushBlob(session: Session, repository: string, bytes: Uint8Array, random: Random): Promise<void> {
  const form = random.between(1, 10);
  if (form <= 3) return await pushInOnePost(session, repository, bytes);
  const upload = await open(session, repository, bytes);
  // `proceed` sends small blobs mostly by the usual POST and PUT.
  await proceed(session, upload, random, 'at once');
}

async function pushInOnePost({ world, life }: Session, repository: string, bytes: Uint8Array): Promise<void> {
  const { digest } = content(bytes, mediaTypes.layer).descriptor;
  const operation = world.history.begin([world.history.blob(repository, digest), 'present']);
  const target = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
  const { status } = await life.send('POST', target, { body: new Uint8Array(bytes) });
  expectStatus('POST of a whole blob', status, 201);
  operation.acknowledge();
  remember(world.shared, { repository, digest, bytes }, MAX_SHARED);
}

/** By a tag, by digest with tag parameters, or only by digest. All of it takes effect, or nothing. */
async function putManifest(
  { world, life }: Session,
  repository: string,
  manifest: KnownManifest,
  random: Random,
): Promise<void> {
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
  const { status } = await life.send('PUT', target, { headers, body: new Uint8Array(manifest.bytes) });
  expectStatus(`PUT ${target}`, status, 201);
  operation.acknowledge();
}

/** Pushes a manifest whose blobs exist again, under random tags; it may have been deleted meanwhile. */
async function moveTag(session: Session, repository: string, random: Random): Promise<void> {
  const manifest = random.pick(session.world.pushable.get(repository) ?? []);
  if (manifest === undefined) return await pushImage(session, repository, random);
  await putManifest(session, repository, manifest, random);
}

async function pushIndex(session: Session, repository: string, random: Random): Promise<void> {
  const images = session.world.pushable.get(repository) ?? [];
  const members = random.shuffled(images.filter(({ blobs }) => blobs.length > 0)).slice(0, 2);
  const pushed = index(
    members.map(({ bytes, digest, mediaType }) => ({ bytes, descriptor: { digest, mediaType, size: bytes.length } })),
  );
  const manifest = known(pushed, []);
  session.world.manifests.set(manifest.digest, manifest);
  await putManifest(session, repository, manifest, random);
}

async function deleteTag({ world, life }: Session, repository: string, random: Random): Promise<void> {
  const tag = random.pick(TAGS) ?? 'latest';
  const operation = world.history.begin([world.history.tag(repository, tag), undefined]);
  const { status } = await life.send('DELETE', `/v2/${repository}/manifests/${tag}`);
  expectStatus('DELETE of a tag', status, 202, 404);
  if (status === 202) operation.acknowledge();
  else operation.refuse();
}

async function deleteManifest({ world, life }: Session, repository: string, random: Random): Promise<void> {
  const manifest = random.pick(world.pushable.get(repository) ?? []);
  if (manifest === undefined) return;
  const operation = world.history.begin([world.history.manifest(repository, manifest.digest), undefined]);
  const { status } = await life.send('DELETE', `/v2/${repository}/manifests/${manifest.digest}`);
  expectStatus('DELETE of a manifest', status, 202, 404);
  if (status === 202) operation.acknowledge();
  else operation.refuse();
}

async function mount(session: Session, repository: string, random: Random): Promise<void> {
  const source = random.pick(session.world.shared);
  if (source === undefined) return;
  await mountFrom(session, repository, source, random.chance(0.7));
}

async function mountFrom(
  { world, life }: Session,
  repository: string,
  source: SharedBlob,
  named: boolean,
): Promise<void> {
  const from = named ? `&from=${source.repository}` : '';
  const blob = world.history.blob(repository, source.digest);
  const operation = world.history.begin([blob, 'present']);
  const target = `/v2/${repository}/blobs/uploads/?mount=${source.digest}${from}`;
  const { status, headers } = await life.send('POST', target);
  // Without `from` the server uses a hint, which is never synced and may be torn by a kill.
  expectStatus(`POST ${target}`, status, ...(named ? [201] : [201, 202]));
  if (status === 201) {
    operation.acknowledge();
    return;
  }
  operation.refuse();
  const upload = new Upload(repository, source.bytes, locationOf(headers));
  world.uploads.add(upload);
  world.idle.push(upload);
}

/** A blob that no manifest refers to, so that it can be deleted. */
async function looseBlob(session: Session, repository: string, random: Random): Promise<void> {
  const { world, life } = session;
  const bytes = random.bytes(random.between(2, 3000));
  const { digest } = content(bytes, mediaTypes.layer).descriptor;
  const blob = world.history.blob(repository, digest);
  const pushed = world.history.begin([blob, 'present']);
  const target = `/v2/${repository}/blobs/uploads/?digest=${digest}`;
  const answer = await life.send('POST', target, { body: new Uint8Array(bytes) });
  expectStatus('POST of a loose blob', answer.status, 201);
  pushed.acknowledge();
  if (random.chance(0.3)) return;
  const deleted = world.history.begin([blob, undefined]);
  const { status } = await life.send('DELETE', `/v2/${repository}/blobs/${digest}`);
  expectStatus('DELETE of a loose blob', status, 202);
  deleted.acknowledge();
}

/** Sometimes bytes that already exist: those are linked then, and the uploaded ones dropped. */
async function beginBigUpload(session: Session, repository: string, random: Random): Promise<void> {
  const shared = random.chance(0.3) ? random.pick(session.world.shared) : undefined;
  const bytes = shared?.bytes ?? random.bytes(random.between(50_000, 900_000));
  const upload = await open(session, repository, bytes);
  await proceed(session, upload, random, 'at leisure');
}

async function resumeUpload(session: Session, _: string, random: Random): Promise<void> {
  const upload = session.world.idle.shift();
  if (upload !== undefined) await proceed(session, upload, random, 'at leisure');
}

/** Every client sees acknowledged writes of all clients. */
async function readTag({ world, life }: Session, repository: string, random: Random): Promise<void> {
  const tag = world.history.tag(repository, random.pick(TAGS) ?? 'latest');
  const allowed = world.history.watch(tag);
  const { status, headers } = await life.send('HEAD', `/v2/${repository}/manifests/${tag.name}`);
  expectStatus('HEAD of a tag', status, 200, 404);
  const seen = status === 200 ? (headers.get('docker-content-digest') ?? '') : undefined;
  if (!allowed().has(seen)) throw new Fault(`under load HEAD gave ${seen ?? 'nothing'} for ${tag}`);
}
