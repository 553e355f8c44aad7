import { encodeNote, NOTE_VERSION, type NoteBatch } from '../feed/notes/events.ts';
import { NotesView } from '../feed/notes/view.ts';
import { untilAnswered } from '../journal/until-answered.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Incarnation } from '../oci/names.ts';
import type { Durability, ObjectStore, StoreReader } from '../storage/driver.ts';
import { noteKey } from '../storage/paths.ts';
import type { ReplicaIdentity } from './identity.ts';
import { readReplicaMark, writePromotion } from './mark.ts';

const DEADLINE_MS = 10_000;

export interface PromotionPorts {
  readonly driver: Pick<StoreReader, 'read' | 'list'> & Pick<ObjectStore, 'create'> & Pick<Durability, 'confirm'>;
  readonly identity: ReplicaIdentity;
  /** Milliseconds. */
  readonly now: () => number;
  readonly newId: () => Incarnation;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Name of this process in the log. */
  readonly node: string;
}

/**
 * Makes a replica a primary for ever. First its notes get an event that no other store has, so no registry with the former history can
 * be taken for its source again; then the promotion is stored. After a failure it may be called again.
 * @param actor recorded in the event
 * @throws RegistryError `request-invalid` if the store is no replica; `unavailable` if the store did not answer in time
 */
export async function promote(actor: string, ports: PromotionPorts): Promise<void> {
  const { driver, identity, now } = ports;
  const mark = await readReplicaMark(driver);
  if (identity.store === identity.instance || mark === undefined)
    throw new RegistryError('request-invalid', 'this store is no replica: there is nothing to promote');
  if (mark.promoted !== undefined)
    throw new RegistryError('request-invalid', `this store was already promoted, at ${mark.promoted.at}`);
  await notePromotion(actor, ports);
  await writePromotion(driver, { at: new Date(now()).toISOString(), by: actor });
}

async function notePromotion(actor: string, ports: PromotionPorts): Promise<void> {
  const { driver, identity, now, newId, node } = ports;
  const deadline = now() + DEADLINE_MS;
  const answered = <T>(work: () => Promise<T>): Promise<T> => untilAnswered(work, { ...ports, deadline, unconfirmed });
  const view = new NotesView(driver);
  do {
    await answered(() => view.refresh());
    const { seq, hash, at } = view;
    if (seq > 0) await answered(() => driver.confirm(noteKey(seq)));
    const note: NoteBatch = {
      ...{ v: NOTE_VERSION, log: 'notes', seq: seq + 1, prev: hash, batch: newId(), node },
      at: new Date(Math.max(now(), at)).toISOString(),
      events: [{ type: 'store.promoted', instance: identity.instance, actor }],
    };
    // `taken`: the follower was faster, or this was done by an attempt that got no answer. Two such events do no harm.
    if ((await answered(() => driver.create(noteKey(note.seq), encodeNote(note)))) === 'created') return;
  } while (now() < deadline);
  throw unconfirmed();
}

function unconfirmed(cause?: unknown): RegistryError {
  return new RegistryError('unavailable', 'the promotion was not confirmed in time: repeat it', undefined, cause);
}
