import { z } from 'zod';
import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';

export const HOUR = 3_600_000;

/** The last hours, counted from 1970, in which the tags and manifests of one repository were pulled. */
interface Times {
  /** Everything in the repository may have been pulled until this hour. */
  whole: number;
  /** Tags, and digests of manifests. */
  readonly names: Map<string, number>;
}

const schema = z.object({
  v: z.literal(1),
  /** Times before this hour are no longer known. */
  floor: z.int(),
  all: z.int(),
  repositories: z.array(z.tuple([z.string(), z.int(), z.array(z.tuple([z.string(), z.int()]))])),
});

/**
 * When tags and manifests were last pulled, to the hour. Memory is bounded: beyond the bound, times are kept for whole repositories,
 * then for the whole store. So retention keeps too much rather than too little.
 */
export class PullTimes {
  #floor = 0;
  #all = 0;
  readonly #repositories = new Map<string, Times>();
  readonly #most: number;
  #size = 0;

  /** @param most the number of distinct names */
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

  /** The latest time at which the tag or its manifest may have been pulled, in milliseconds. */
  last(repo: RepositoryName, tag: Tag, digest: Digest): number {
    const times = this.#repositories.get(repo);
    const own = [times?.whole, times?.names.get(tag), times?.names.get(digest)].map((hour) => hour ?? 0);
    // The pull may have been at the end of its hour.
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

  /** A copy without earlier times: what was pulled before that hour counts as pulled in it. */
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

  /** @throws Error for bytes that `encode` did not produce */
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

  /** undefined when there are too many repositories to distinguish. */
  #timesOf(repo: string): Times | undefined {
    const known = this.#repositories.get(repo);
    if (known !== undefined || this.#repositories.size >= this.#most) return known;
    const times: Times = { whole: 0, names: new Map() };
    this.#repositories.set(repo, times);
    return times;
  }
}
