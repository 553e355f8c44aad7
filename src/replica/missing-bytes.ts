import { forEachConcurrently } from '../collection/concurrently.ts';
import { markedRepositories } from '../collection/scan.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import { dataKey } from '../storage/paths.ts';
import type { ByteCopier, NamedBytes } from './copy-bytes.ts';
import { type LinkPorts, linksOf } from './linked.ts';

/** How often the source is asked again for what it did not have. */
const RETRY_EVERY_MS = 10 * 60_000;
/** How long one call of `look` goes on to the next log. */
const PIECE_MS = 1_000;
const HEADS = 16;
/** How many names are remembered. If there are more, each retry looks at all logs. */
const MAX_NAMES = 10_000;

export interface MissingBytesPorts extends LinkPorts {
  readonly bytes: Pick<ByteCopier, 'copy' | 'forget'>;
  /** Milliseconds. */
  readonly now: () => number;
}

interface LinkedBytes extends NamedBytes {
  readonly repo: RepositoryName;
}

/** A look at every log, which goes on from call to call. */
interface Round {
  readonly repositories: AsyncIterator<RepositoryName>;
  readonly found: Missing;
}

/**
 * Finds and copies the objects that logs here link and that are not here, because the source did not have them, or had them damaged,
 * when their slots were copied. Nothing about them is stored: each start asks this store once for every object that a log links.
 */
export class MissingBytes {
  readonly #ports: MissingBytesPorts;
  #missing = new Missing();
  /** Failures of the copier that were not yet compared with the logs, which may have unlinked the objects since. */
  #reported = new Missing();
  #round: Round | undefined;
  #isKnown = false;
  #triedAt = 0;

  constructor(ports: MissingBytesPorts) {
    this.#ports = ports;
  }

  /** Whether every log was looked at. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  /** The number of missing objects, as far as it is known. */
  get count(): number {
    return this.#missing.count;
  }

  /** Forgets what is known: another process may have copied logs since. */
  restart(): void {
    this.#isKnown = false;
    this.#round = undefined;
  }

  /** Called with bytes that a slot names and that could not be copied. */
  report(repo: RepositoryName, { inc, digest, size }: NamedBytes): void {
    // Otherwise the first look finds them.
    if (this.#isKnown || this.#round !== undefined) this.#reported.add({ repo, inc, digest, size });
  }

  /**
   * Goes on looking, or asks the source again if that is due. Takes about a second, or as long as one log does.
   * @throws as `ByteCopier.copy`; RegistryError `log-broken`; errors of the store. Then it may be called again.
   */
  async look(signal: AbortSignal): Promise<void> {
    if (this.#reported.overflow > 0) this.restart();
    if (!this.#isKnown) await this.#lookOn(signal);
    if (!this.#isKnown) return;
    await this.#confirmReported(signal);
    if (this.#missing.count === 0 || this.#ports.now() - this.#triedAt < RETRY_EVERY_MS) return;
    if (this.#missing.overflow > 0) this.restart();
    else await this.#retry(signal);
  }

  async #lookOn(signal: AbortSignal): Promise<void> {
    const { driver, now } = this.#ports;
    if (this.#round === undefined) this.#reported = new Missing();
    const began = now();
    this.#round ??= { repositories: markedRepositories(driver)[Symbol.asyncIterator](), found: new Missing() };
    const { repositories, found } = this.#round;
    try {
      do {
        const next = await repositories.next();
        if (next.done === true) {
          [this.#missing, this.#isKnown, this.#round] = [found, true, undefined];
          this.#triedAt = now();
          return;
        }
        signal.throwIfAborted();
        const links = await linksOf(next.value, this.#ports);
        for (const each of await this.#copy(await this.#absent(links, signal), signal))
          found.add({ ...each, repo: next.value });
      } while (now() - began < PIECE_MS);
    } catch (error) {
      // This log was not looked at to its end.
      this.#round = undefined;
      throw error;
    }
  }

  async #absent(links: readonly NamedBytes[], signal: AbortSignal): Promise<NamedBytes[]> {
    const { driver, yieldToRequests } = this.#ports;
    const absent: NamedBytes[] = [];
    await forEachConcurrently(links, HEADS, async (each) => {
      signal.throwIfAborted();
      await yieldToRequests();
      if ((await driver.head(dataKey(each.inc))) === undefined) absent.push(each);
    });
    return absent;
  }

  /** @returns those that the source does not have */
  async #copy(some: readonly NamedBytes[], signal: AbortSignal): Promise<readonly NamedBytes[]> {
    if (some.length === 0) return [];
    const { bytes } = this.#ports;
    // This store may have lost what the copier has seen.
    bytes.forget();
    return await bytes.copy(some, signal);
  }

  async #confirmReported(signal: AbortSignal): Promise<void> {
    if (this.#reported.count === 0) return;
    for (const each of await this.#linked(this.#reported, signal)) this.#missing.add(each);
    this.#reported = new Missing();
  }

  async #retry(signal: AbortSignal): Promise<void> {
    const linked = await this.#linked(this.#missing, signal);
    const failed = new Set((await this.#copy(linked, signal)).map(({ inc }) => inc));
    this.#missing = new Missing();
    for (const each of linked) if (failed.has(each.inc)) this.#missing.add(each);
    this.#triedAt = this.#ports.now();
  }

  /** Those that their logs still link. */
  async #linked(some: Missing, signal: AbortSignal): Promise<LinkedBytes[]> {
    const linked: LinkedBytes[] = [];
    for (const [repo, named] of Map.groupBy(some.names, (each) => each.repo)) {
      signal.throwIfAborted();
      const links = new Set((await linksOf(repo, this.#ports)).map(({ inc }) => inc));
      linked.push(...named.filter(({ inc }) => links.has(inc)));
    }
    return linked;
  }
}

/** Links to objects that are not here: the names of some, and the number of the others. */
class Missing {
  readonly #names = new Map<string, LinkedBytes>();
  /** Links beyond MAX_NAMES. */
  overflow = 0;

  get names(): Iterable<LinkedBytes> {
    return this.#names.values();
  }

  /** An object that several logs link counts once, unless it is beyond MAX_NAMES. */
  get count(): number {
    return new Set<Incarnation>(this.#names.values().map(({ inc }) => inc)).size + this.overflow;
  }

  add(each: LinkedBytes): void {
    const name = `${each.repo} ${each.inc}`;
    if (this.#names.size >= MAX_NAMES && !this.#names.has(name)) this.overflow++;
    else this.#names.set(name, each);
  }
}
