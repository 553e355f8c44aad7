import type { Tag } from '../oci/names.ts';
import type { Rule } from './policy.ts';

/** Bit for immutable tags. Each entry of `keep` has one of the bits below. */
const IMMUTABLE = 1 << 30;

/**
 * Caches which patterns of a rule each tag matches. It is filled once per run, with pauses, so a plan that is recomputed while a
 * write waits for it only has to match new names.
 */
export class Matches {
  readonly #rule: Pick<Rule, 'immutable' | 'keep'>;
  readonly #known = new Map<Tag, number>();

  constructor(rule: Pick<Rule, 'immutable' | 'keep'>) {
    this.#rule = rule;
  }

  /** @param yieldToRequests awaited between small pieces of work */
  async prepare(tags: Iterable<Tag>, yieldToRequests: () => Promise<void>): Promise<void> {
    for (const tag of tags) {
      this.#of(tag);
      await yieldToRequests();
    }
  }

  isImmutable(tag: Tag): boolean {
    return (this.#of(tag) & IMMUTABLE) !== 0;
  }

  /** @param entry index in `keep` */
  isNamed(tag: Tag, entry: number): boolean {
    return (this.#of(tag) & (1 << entry)) !== 0;
  }

  #of(tag: Tag): number {
    const known = this.#known.get(tag);
    if (known !== undefined) return known;
    const { immutable, keep = [] } = this.#rule;
    let bits = immutable?.tags.matches(tag) === true && !immutable.except.matches(tag) ? IMMUTABLE : 0;
    for (const [entry, { tags }] of keep.entries()) if (tags.matches(tag)) bits |= 1 << entry;
    this.#known.set(tag, bits);
    return bits;
  }
}
