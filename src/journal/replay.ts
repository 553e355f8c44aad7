import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import { markerKey, slotKey } from '../storage/paths.ts';
import { readSlot, type Slot } from './log.ts';
import { untilAnswered } from './until-answered.ts';
import type { ViewHead, WritableView, WriterPorts } from './writer.ts';

/** How long one slot may take. Slots that were created are not created again by the next attempt. */
const DEADLINE_MS = 10_000;
/** Slots of a log that wait for the disk together. */
const MAX_TOGETHER = 128;

/** A slot of another store's log, with the bytes that become the same slot here. */
export interface CopiedSlot extends Slot {
  readonly bytes: Uint8Array;
}

/** A log here and the log that it is copied from have different slots with the same number. Nothing was written. */
export class DifferentHistory extends Error {
  override readonly name = 'DifferentHistory';

  /** @param log `the log of library/app`, `the notes` @param seq a slot that differs */
  constructor(log: string, seq: number) {
    super(`slot ${seq} of ${log} is another one there than here`);
  }
}

/**
 * Creates slots that were copied from another store's log, byte for byte, each once the view has the one before. Slots that exist are
 * compared, so the same slots may be given again, also by several processes at once.
 * @param slots of one repository, in order, without gaps. What they name must be durable
 * @throws DifferentHistory; RegistryError `unavailable` if the store or the view did not answer in time
 */
export async function replaySlots(
  repo: RepositoryName,
  slots: readonly CopiedSlot[],
  view: WritableView,
  ports: WriterPorts,
): Promise<void> {
  for (let next = 0; next < slots.length; ) {
    const created = await createTogether(repo, slots.slice(next, next + MAX_TOGETHER), view, ports);
    next += created;
    const slot = slots[next];
    if (created > 0 || slot === undefined) continue;
    await replayOne(repo, slot, view, ports);
    next++;
  }
}

/**
 * Creates the next slots of a log with one wait for the disk, if the store can do so in order.
 * @returns how many were created; 0 also if the first of these slots is not the next one here
 */
async function createTogether(
  repo: RepositoryName,
  slots: readonly CopiedSlot[],
  view: WritableView,
  { driver, reach, onAppend }: WriterPorts,
): Promise<number> {
  if (driver.createInOrder === undefined) return 0;
  const head = await view.head([]);
  const next = followers(head, slots);
  const last = next.at(-1);
  if (last === undefined) return 0;
  if (!(await view.announce(last.batch))) return 0;
  const created = await driver.createInOrder(
    next.map(({ batch, bytes }) => ({ key: slotKey(repo, batch.seq), bytes })),
  );
  reach('append.before-apply');
  for (const { batch, hash, size } of next.slice(0, created)) {
    await view.apply(batch, hash, size);
    onAppend(batch.events.length, repo, batch.seq);
  }
  return created;
}

/** Those of the slots that follow a place, and each other. */
function followers({ seq, hash }: Pick<ViewHead, 'seq' | 'hash'>, slots: readonly CopiedSlot[]): CopiedSlot[] {
  const found: CopiedSlot[] = [];
  let [lastSeq, lastHash] = [seq, hash];
  for (const slot of slots) {
    if (slot.batch.seq !== lastSeq + 1 || slot.batch.prev !== lastHash) break;
    found.push(slot);
    [lastSeq, lastHash] = [slot.batch.seq, slot.hash];
  }
  return found;
}

async function replayOne(
  repo: RepositoryName,
  { batch, bytes, hash, size }: CopiedSlot,
  view: WritableView,
  ports: WriterPorts,
): Promise<void> {
  const { driver, now, reach, onAppend } = ports;
  const deadline = now() + DEADLINE_MS;
  const retried = <T>(work: () => Promise<T>): Promise<T> =>
    untilAnswered(work, { ...ports, deadline, unconfirmed: notCopied });
  const key = slotKey(repo, batch.seq);
  /** Whether the slot that exists is this one. It counts once it is durable. */
  const isSame = async (): Promise<boolean> => {
    const found = await readSlot(driver, repo, batch.seq);
    if (found === undefined) throw new Error('the slot is taken but cannot be read');
    await driver.confirm(key);
    return found.hash === hash;
  };
  while (now() < deadline) {
    const head = await view.head([]);
    if (head.seq >= batch.seq) {
      if (!(await retried(isSame))) throw differs(repo, batch.seq);
      return;
    }
    if (head.seq < batch.seq - 1) throw new Error(`slot ${batch.seq} of ${repo} is copied before slot ${head.seq + 1}`);
    if (head.hash !== batch.prev) throw differs(repo, head.seq);
    if (!(await view.announce(batch))) continue;
    const isOurs = await retried(async () => (await driver.create(key, bytes)) === 'created' || (await isSame()));
    if (!isOurs) throw differs(repo, batch.seq);
    reach('append.before-apply');
    await view.apply(batch, hash, size);
    onAppend(batch.events.length, repo, batch.seq);
    reach('append.before-acknowledge');
    return;
  }
  throw notCopied();
}

/**
 * Makes the marker of a log durable. As for any writer, it comes before the bytes of slot 1 are looked for (docs/decisions/0012).
 * @throws errors of the store
 */
export async function markLog({ driver }: Pick<WriterPorts, 'driver'>, repo: RepositoryName): Promise<void> {
  const key = markerKey(repo);
  if ((await driver.create(key, new Uint8Array())) === 'taken') await driver.confirm(key);
}

function differs(repo: RepositoryName, seq: number): DifferentHistory {
  return new DifferentHistory(`the log of ${repo}`, seq);
}

function notCopied(cause?: unknown): RegistryError {
  return new RegistryError('unavailable', 'a slot could not be copied in time', undefined, cause);
}
