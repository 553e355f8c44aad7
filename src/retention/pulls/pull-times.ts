import { z } from 'zod';
import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';

export const HOUR = 3_600_000;

/** The latest hours, counted from 1970, in which things of one repository were pulled. */
interface Times {
  /** All of it may have been pulled until then. */
  whole: number;
  /** Tags, and digests of manifests. */
  readonly names: Map<string, number>;
}

const schema = z.object({
  v: z.literal(1),
  /** Before this hour nothing is known any more. */
  floor: z.int(),
  all: z.int(),
  repositories: z.array(z.tuple([z.string(), z.int(), z.array(z.tuple([z.string(), z.int()]))])),
});

/**
 * When tags and manifests were pulled last, to the hour. It takes bounded memory: beyond that it is only known of whole
 * repositories, then of the whole store, so that rather too much counts as pulled than too little.
 */
export class PullTimes {
  #floor = 0;
  #all = 0;
  readonly #repositories = new Map<string, Times>();
  readonly #most: number;
  #size = 0;

  /** @param most names that are told apart */
  constructor(most: number) {
    this.#most = most;
  }

  get isEmpty(): boolean {
    return this.#all === 0 && this.#repositories.size === 0;
  }

  /** @param name a tag, or the digest of a manifest @param hour counted from 1970 */
  note(repo: string, name: string, hour: number): void {
    const times = this.#timesOf(repo);
    if (times === undefined) {
      this.#all = Math.max(this.#all, hour);
      return;
    }
    const before = times.names.get(name);
    if (before === undefined) {
      if (this.#size >= this.#most) {
        times.whole = Math.max(times.whole, hour);
        return;
      }
      this.#size++;
    }
    if (before === undefined || hour > before) times.names.set(name, hour);
  }

  /** When the tag, or what it points to, may have been pulled last; milliseconds. */
  last(repo: RepositoryName, tag: Tag, digest: Digest): number {
    const times = this.#repositories.get(repo);
    const own = [times?.whole, times?.names.get(tag), times?.names.get(digest)].map((hour) => hour ?? 0);
    // A pull may have been at the end of its hour.
    const hour = Math.max(this.#all, ...own);
    return Math.max(this.#floor * HOUR, hour === 0 ? 0 : (hour + 1) * HOUR);
  }

  merge(other: PullTimes): void {
    this.#floor = Math.max(this.#floor, other.#floor);
    this.#all = Math.max(this.#all, other.#all);
    for (const [repo, { whole, names }] of other.#repositories) {
      const times = this.#timesOf(repo);
      if (times === undefined) this.#all = Math.max(this.#all, whole);
      else times.whole = Math.max(times.whole, whole);
      for (const [name, hour] of names) this.note(repo, name, hour);
    }
  }

  /** The same without what was pulled before that hour: from then on it counts as pulled in that hour. */
  since(hour: number): PullTimes {
    const kept = new PullTimes(this.#most);
    kept.#floor = Math.max(this.#floor, hour);
    kept.#all = this.#all;
    for (const [repo, { whole, names }] of this.#repositories) {
      const recent = [...names].filter(([, each]) => each >= hour);
      if (whole < hour && recent.length === 0) continue;
      kept.#repositories.set(repo, { whole, names: new Map(recent) });
      kept.#size += recent.length;
    }
    return kept;
  }

  encode(): Promise<Uint8Array> {
    const repositories = [...this.#repositories].map(([repo, { whole, names }]) => [repo, whole, [...names]]);
    return Bun.zstdCompress(JSON.stringify({ v: 1, floor: this.#floor, all: this.#all, repositories }));
  }

  /** @throws Error for anything that `encode` did not give */
  static async decode(bytes: Uint8Array, most: number): Promise<PullTimes> {
    const text = new TextDecoder().decode(await Bun.zstdDecompress(bytes));
    const { floor, all, repositories } = schema.parse(JSON.parse(text));
    const times = new PullTimes(most);
    times.#floor = floor;
    times.#all = all;
    for (const [repo, whole, names] of repositories) {
      const of = times.#timesOf(repo);
      if (of === undefined) times.#all = Math.max(times.#all, whole);
      else of.whole = whole;
      for (const [name, hour] of names) times.note(repo, name, hour);
    }
    return times;
  }

  /** undefined where there are too many repositories to tell them apart. */
  #timesOf(repo: string): Times | undefined {
    const known = this.#repositories.get(repo);
    if (known !== undefined || this.#repositories.size >= this.#most) return known;
    const times: Times = { whole: 0, names: new Map() };
    this.#repositories.set(repo, times);
    return times;
  }
}
