import type { StoreReader } from '../../../src/storage/driver.ts';
import { concurrently } from '../../support/concurrently.ts';
import { markedRepositories, type Walked, walkChain } from '../../support/drill/chain.ts';
import { Fault } from '../../support/drill/fault.ts';
import type { Register, Value } from '../../support/drill/history.ts';
import { digestOf } from '../../support/oci.ts';
import type { Life } from './node.ts';
import { offsetOf, type Upload } from './upload.ts';
import type { World } from './world.ts';

/** Concurrent requests of a check of everything. */
const CONCURRENCY = 16;

/** Counts of the checks, shown at the end. */
export interface Checked {
  acknowledged: number;
  names: number;
  bytes: number;
  uploadsResumable: number;
  uploadsEnded: number;
  readonly walked: Walked;
}

interface Check {
  readonly world: World;
  readonly life: Life;
  /** Reads the folder beside the server. */
  readonly driver: StoreReader;
  readonly checked: Checked;
  /** Checks everything that was ever written, instead of what was touched since the last check. */
  readonly everything: boolean;
}

/**
 * Compares what a server shows after a kill with the responses that clients got before it. Only reads, while nothing else is
 * going on, so that the history afterwards starts from what was observed.
 */
export async function verify(check: Check): Promise<void> {
  const { world, checked, everything } = check;
  const chosen = world.history.all().filter((register) => everything || register.touched);
  const repositories = new Set(chosen.map(({ repository }) => repository));
  // All tags of a repository: their list must be complete, and deleting a manifest deletes its tags.
  const tags = [...repositories].flatMap((repository) => world.history.tagsOf(repository));
  const contents = chosen.filter(({ kind }) => kind !== 'tag');
  const observed = new Map<Register, Value>();
  await concurrently(CONCURRENCY, [...tags, ...contents], async (register) => {
    const value = await observe(check, register);
    if (!register.possible().has(value)) throw new Fault(`after the kill it is ${value ?? 'nothing'}: ${register}`);
    observed.set(register, value);
  });
  for (const repository of repositories) await checkListing(check, repository, observed);
  await checkUploads(check);
  const held = new Set([...observed].filter(([, value]) => value !== undefined).map(([{ repository }]) => repository));
  await checkLogs(check, repositories, held);
  // Tags first: their possible values depend on deletions of their manifests.
  for (const register of [...tags, ...contents]) {
    checked.acknowledged += register.acknowledged;
    checked.names++;
  }
  for (const [register, value] of observed) register.settle(value);
}

async function observe(check: Check, register: Register): Promise<Value> {
  switch (register.kind) {
    case 'tag':
      return await observeTag(check, register);
    case 'manifest':
      return await observeManifest(check, register, register.name);
    case 'blob':
      return await observeBlob(check, register.repository, register.name, 'GET');
  }
}

/** A visible tag can be pulled: its manifest and all its blobs. */
async function observeTag(check: Check, tag: Register): Promise<Value> {
  const digest = await observeManifest(check, tag, tag.name);
  if (digest === undefined) return undefined;
  const manifest = check.world.manifests.get(digest);
  if (manifest === undefined) throw new Fault(`${tag} points to ${digest}, which was never pushed`);
  for (const blob of manifest.blobs) {
    const found = await observeBlob(check, tag.repository, blob, 'HEAD');
    if (found === undefined) throw new Fault(`${tag} points to ${digest}, but its blob ${blob} is missing`);
  }
  return digest;
}

/** @returns its digest for a tag, `present` for a digest */
async function observeManifest({ life, world, checked }: Check, register: Register, reference: string): Promise<Value> {
  const { status, bytes, headers } = await life.send('GET', `/v2/${register.repository}/manifests/${reference}`);
  if (status === 404) return undefined;
  if (status !== 200) throw new Fault(`GET gave ${status} for ${register}`);
  const digest = digestOf(bytes);
  const manifest = world.manifests.get(digest);
  const exact =
    manifest !== undefined &&
    headers.get('docker-content-digest') === digest &&
    headers.get('content-type') === manifest.mediaType &&
    Buffer.compare(bytes, manifest.bytes) === 0;
  if (!exact) throw new Fault(`${bytes.length} bytes that were never pushed came for ${register}`);
  checked.bytes += bytes.length;
  if (register.kind === 'tag') return digest;
  if (digest !== register.name) throw new Fault(`the bytes of ${digest} came for ${register}`);
  return 'present';
}

async function observeBlob(
  { life, checked }: Check,
  repository: string,
  digest: string,
  method: 'GET' | 'HEAD',
): Promise<Value> {
  const { status, bytes } = await life.send(method, `/v2/${repository}/blobs/${digest}`);
  if (status === 404) return undefined;
  if (status !== 200) throw new Fault(`${method} gave ${status} for the blob ${digest} of ${repository}`);
  if (method === 'GET' && digestOf(bytes) !== digest) {
    throw new Fault(`${bytes.length} other bytes came for the blob ${digest} of ${repository}`);
  }
  checked.bytes += bytes.length;
  return 'present';
}

async function checkListing({ life, world }: Check, repository: string, observed: Map<Register, Value>): Promise<void> {
  const { status, bytes } = await life.send('GET', `/v2/${repository}/tags/list`);
  const tags = world.history.tagsOf(repository);
  const expected = tags.filter((tag) => observed.get(tag) !== undefined).map(({ name }) => name);
  if (status === 404 && expected.length === 0) return;
  const listed = (JSON.parse(new TextDecoder().decode(bytes)) as { tags?: string[] }).tags;
  if (JSON.stringify(listed) !== JSON.stringify(expected.sort())) {
    throw new Fault(`tags/list of ${repository} is ${listed?.join(' ')}; pullable are ${expected.join(' ')}`);
  }
}

/**
 * Uploads can be continued from their acknowledged state. Of a finished or cancelled one only its id remains, which proves
 * itself: another process may treat it as an upload without bytes.
 */
async function checkUploads({ life, world, checked }: Check): Promise<void> {
  await concurrently(CONCURRENCY, world.ended.splice(0), async (location) => {
    const offset = await offsetAt(life, location);
    if (offset !== undefined && offset > 0)
      throw new Fault(`${location} has ended, but GET gives the offset ${offset}`);
    checked.uploadsEnded++;
  });
  world.idle.length = 0;
  await concurrently(CONCURRENCY, [...world.uploads], async (upload) => {
    const offset = await offsetAt(life, upload.location);
    const ended = upload.phase !== 'open' && (offset === undefined || offset === 0);
    if (ended) await checkEnded(life, upload);
    else if (offset === undefined || offset < upload.acknowledged || offset > upload.reach) {
      throw new Fault(`GET gives ${offset ?? 'no'} offset for the upload ${describe(upload)}`);
    }
    if (offset === undefined) {
      world.uploads.delete(upload);
      return;
    }
    upload.acknowledged = offset;
    upload.reach = offset;
    upload.phase = 'open';
    upload.broken = false;
    world.idle.push(upload);
    checked.uploadsResumable++;
  });
}

/** undefined for an unknown upload. */
async function offsetAt(life: Life, location: string): Promise<number | undefined> {
  const { status, headers } = await life.send('GET', location);
  if (status === 404) return undefined;
  if (status !== 204) throw new Fault(`GET ${location} gives ${status}`);
  return offsetOf(headers);
}

/** The request that ends an upload was in flight and took effect: the blob must exist before the session ends. */
async function checkEnded(life: Life, upload: Upload): Promise<void> {
  if (upload.phase === 'cancelling' || upload.acknowledged === 0) return;
  const { status } = await life.send('HEAD', `/v2/${upload.repository}/blobs/${upload.digest}`);
  if (status !== 200) throw new Fault(`the session has ended, but the blob is missing: ${describe(upload)}`);
}

function describe({ location, bytes, acknowledged, reach, phase }: Upload): string {
  return `${location} (${phase}, ${acknowledged} acknowledged, at most ${reach} sent, of ${bytes.length})`;
}

/** @param held repositories with content, whose markers must exist */
async function checkLogs(
  { life, driver, checked, everything }: Check,
  touched: ReadonlySet<string>,
  held: ReadonlySet<string>,
): Promise<void> {
  const marked = new Set(await markedRepositories(driver));
  for (const repository of held) if (!marked.has(repository)) throw new Fault(`${repository} has no marker`);
  const walked = everything ? marked : touched.intersection(marked);
  for (const repository of walked) await walkChain(driver, repository, checked.walked, everything);
  if (everything) await checkCatalog(life, checked.walked);
}

/** A repository exists from its first slot on; a kill before it may leave only a marker. */
async function checkCatalog(life: Life, { heads }: Walked): Promise<void> {
  const expected = [...heads].filter(([, { seq }]) => seq > 0).map(([name]) => name);
  const { bytes } = await life.send('GET', '/v2/_catalog');
  const { repositories } = JSON.parse(new TextDecoder().decode(bytes)) as { repositories?: string[] };
  if (JSON.stringify(repositories) !== JSON.stringify(expected.sort())) {
    throw new Fault(`the catalog is ${repositories?.join(' ')}; logs have ${expected.join(' ')}`);
  }
}
