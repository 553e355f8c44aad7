import { forEachConcurrently } from '../collection/concurrently.ts';
import { hashSlot } from '../journal/events.ts';
import { newestSlot } from '../journal/newest-slot.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { slotKey } from '../storage/paths.ts';
import type { ReplicationSource } from './interface.ts';
import { MAX_LOGS } from './protocol.ts';
import { SourceRefused } from './source-errors.ts';

const HEADS = 16;

export interface AheadPorts {
  readonly driver: StoreReader;
  readonly source: Pick<ReplicationSource, 'slots'>;
  /** Lets requests run first. */
  readonly yieldToRequests: () => Promise<void>;
}

/**
 * Checks logs that have slots beyond what the notes here name, because a process ended after it had created slots and before it created
 * the note. Equal notes do not say that the source has these slots: it may be another store than the one that they were copied from.
 * Costs one HEAD for each log that is not ahead.
 * @param reached the newest slot of each log that the notes here name
 * @returns the logs that are ahead
 * @throws SourceRefused if the source lacks such a slot, or has another; SourceAway; errors of the store
 */
export async function requireAtSource(
  repositories: AsyncIterable<RepositoryName> | Iterable<RepositoryName>,
  reached: ReadonlyMap<RepositoryName, number>,
  ports: AheadPorts,
  signal: AbortSignal,
): Promise<ReadonlySet<RepositoryName>> {
  const { driver, yieldToRequests } = ports;
  const ahead = new Map<RepositoryName, number>();
  await forEachConcurrently(repositories, HEADS, async (repo) => {
    signal.throwIfAborted();
    await yieldToRequests();
    const exists = async (seq: number): Promise<boolean> => (await driver.head(slotKey(repo, seq))) !== undefined;
    const from = reached.get(repo) ?? 0;
    const newest = await newestSlot(exists, from);
    if (newest > from) ahead.set(repo, newest);
  });
  let pending: readonly Last[] = [...ahead];
  while (pending.length > 0) {
    const group = pending.slice(0, MAX_LOGS);
    const left = await unanswered(group, ports, signal);
    pending = [...pending.slice(MAX_LOGS), ...left];
  }
  return new Set(ahead.keys());
}

type Last = readonly [RepositoryName, number];

/** Compares the last slots of these logs with the source's. @returns those for which the answer had no room */
async function unanswered(
  group: readonly Last[],
  { driver, source }: AheadPorts,
  signal: AbortSignal,
): Promise<Last[]> {
  const { logs } = await source.slots(
    group.map(([repo, seq]) => ({ repo, after: seq - 1 })),
    signal,
  );
  const answers = new Map(logs.map((each) => [each.repository, each]));
  const left: Last[] = [];
  for (const [repo, seq] of group) {
    const answer = answers.get(repo);
    if (answer === undefined) throw new SourceRefused(`the source left out ${repo} in an answer`);
    const [there] = answer.slots;
    if (there === undefined && answer.more) {
      left.push([repo, seq]);
      continue;
    }
    const here = await driver.read(slotKey(repo, seq));
    const isSame =
      there !== undefined && here !== undefined && hashSlot(new TextEncoder().encode(there)) === hashSlot(here);
    if (isSame) continue;
    const what = there === undefined ? 'it lacks' : 'it has another';
    throw new SourceRefused(
      `the source has a different history: ${what} slot ${seq} of ${repo}, which was copied from its predecessor. Start with an empty store`,
    );
  }
  return left;
}
