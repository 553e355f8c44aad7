import { RegistryError } from '../oci/errors.ts';
import { within } from '../system/within.ts';
import { offer, remote } from '../threads/calls.ts';
import type { Thread } from '../threads/thread.ts';

/**
 * What the owner of a data folder tells the other threads about changes that only it makes. Each function resolves once the thread acts
 * accordingly.
 */
export interface News {
  /** The log of robots has a new slot. */
  robotsChanged(): Promise<void>;
  readOnlyTurned(): Promise<void>;
  /** Retention has run. */
  retentionEnded(): Promise<void>;
  /** Retention is about to run: the pulls of each thread are needed. */
  pullsNeeded(): Promise<void>;
}

const NEWS = [
  ...(['robotsChanged', 'readOnlyTurned', 'retentionEnded', 'pullsNeeded'] as const),
] satisfies readonly (keyof News)[];

/** A thread answers between two requests. One that takes longer has a defect, or the machine has none of its time left. */
const WITHIN_MS = 10_000;
const STORED = 'the change is stored, but may not be in effect everywhere yet';

/** Receives the news, in a thread that is not the owner. */
export function receiveNews(thread: Thread, news: News): void {
  if (thread.kind === 'other') offer<News>(thread.services.news, news);
}

/**
 * Spreads news to all other threads of the folder, if there are any.
 * @throws RegistryError `unavailable` if a thread does not confirm it in time
 */
export function spreadNews(thread: Thread): News {
  const others = thread.kind === 'owner' ? thread.others.map(({ services }) => remote<News>(services.news, NEWS)) : [];
  const tellAll = async (what: string, tell: (other: News) => Promise<void>): Promise<void> => {
    const told = await within(WITHIN_MS, Promise.all(others.map(tell)));
    if (told === undefined) throw new RegistryError('unavailable', `${what}: not all threads of the server answered`);
  };
  return {
    robotsChanged: () => tellAll(STORED, (other) => other.robotsChanged()),
    readOnlyTurned: () => tellAll(STORED, (other) => other.readOnlyTurned()),
    retentionEnded: () => tellAll(STORED, (other) => other.retentionEnded()),
    pullsNeeded: () => tellAll('the last pulls are not known', (other) => other.pullsNeeded()),
  };
}
