// Logs of many repositories, written without a server: ten images each, of layers of which some are shared.
import { encodeBatch, hashSlot, type JournalEvent, NO_SLOT } from '../../src/journal/events.ts';
import { digestFromHex } from '../../src/oci/digest.ts';
import { OCI_MANIFEST } from '../../src/oci/media-types.ts';
import type { Digest, RepositoryName, Tag } from '../../src/oci/names.ts';
import type { ObjectStore } from '../../src/storage/driver.ts';
import { markerKey, slotKey } from '../../src/storage/paths.ts';
import { countingIncarnations } from './deterministic.ts';

export const TAGS_OF_EACH = 10;
/** Files that are written at a time. */
const TOGETHER = 64;
/** Images of one slot of a large repository: the most whose events a registry writes together (MAX_EVENTS of journal/writer.ts). */
const IMAGES_OF_SLOT = 63;

const newIncarnation = countingIncarnations(Date.now);

export function nameOf(number: number): RepositoryName {
  return `team-${number % 100}/project-${number % 1_000}/service-${number}` as RepositoryName;
}

/** Writes the logs of so many repositories. Nothing else may have written to them. */
export async function plantRepositories(driver: Pick<ObjectStore, 'create'>, count: number): Promise<void> {
  for (let first = 0; first < count; first += TOGETHER) {
    const numbers = Array.from({ length: Math.min(TOGETHER, count - first) }, (_, at) => first + at);
    await Promise.all(numbers.map(async (number) => await plant(driver, nameOf(number), number, [imagesOf(number)])));
  }
}

/** Writes the log of one repository with so many tags, each of an image of its own. */
export async function plantTags(
  driver: Pick<ObjectStore, 'create'>,
  repo: RepositoryName,
  count: number,
): Promise<void> {
  const slots = Array.from({ length: Math.ceil(count / IMAGES_OF_SLOT) }, (_, slot) => {
    const linked = new Set<Digest>();
    const ids = Array.from({ length: Math.min(IMAGES_OF_SLOT, count - slot * IMAGES_OF_SLOT) }, (_, at) => at);
    return ids.flatMap((at) => {
      const id = slot * IMAGES_OF_SLOT + at;
      return imageEvents(linked, { id: -1 - id, repository: 0, tag: `1.${Math.floor(id / 100)}.${id % 100}` as Tag });
    });
  });
  await plant(driver, repo, 0, slots);
}

async function plant(
  driver: Pick<ObjectStore, 'create'>,
  repo: RepositoryName,
  minutesAgo: number,
  slots: readonly (readonly JournalEvent[])[],
): Promise<void> {
  await driver.create(markerKey(repo), new Uint8Array());
  let prev = NO_SLOT;
  for (const [at, events] of slots.entries()) {
    const time = new Date(Date.now() - (minutesAgo + slots.length - at) * 60_000).toISOString();
    const about = { v: 1, repo, seq: at + 1, prev, batch: newIncarnation(), node: 'test', at: time };
    const bytes = encodeBatch({ ...about, events: [...events] });
    await driver.create(slotKey(repo, at + 1), bytes);
    prev = hashSlot(bytes);
  }
}

function imagesOf(repository: number): JournalEvent[] {
  const linked = new Set<Digest>();
  return Array.from({ length: TAGS_OF_EACH }, (_, version) => version).flatMap((version) => {
    const id = repository * TAGS_OF_EACH + version;
    const tag = (version === 0 ? 'latest' : `v${repository % 50}.${version}.${id}`) as Tag;
    return imageEvents(linked, { id, repository, tag });
  });
}

interface Planted {
  /** No other image has it. */
  readonly id: number;
  readonly repository: number;
  readonly tag: Tag;
}

/** Four layers, of which some are shared by all, by a team, or by none. @param linked what the repository has already */
function imageEvents(linked: Set<Digest>, { id, repository, tag }: Planted): JournalEvent[] {
  const events: JournalEvent[] = [];
  const link = (blob: Digest, size: number): Digest => {
    if (!linked.has(blob)) events.push({ type: 'blob.linked', digest: blob, size, inc: newIncarnation() });
    linked.add(blob);
    return blob;
  };
  const refs = [
    link(digestOf('base', repository % 7), 30_000_000),
    link(digestOf('team', repository % 100), 5_000_000),
    link(digestOf('own', id), 1_000_000 + Math.abs(id)),
    link(digestOf('config', id), 2_000),
  ];
  const manifest = digestOf('manifest', id);
  const about = { digest: manifest, size: 1_000, inc: newIncarnation(), mediaType: OCI_MANIFEST, refs };
  events.push({ type: 'manifest.put', ...about, actor: 'user:ci' });
  events.push({ type: 'tag.set', tag, digest: manifest, actor: 'user:ci' });
  return events;
}

function digestOf(kind: string, number: number): Digest {
  return digestFromHex('sha256', new Bun.CryptoHasher('sha256').update(`${kind} ${number}`).digest('hex'));
}
