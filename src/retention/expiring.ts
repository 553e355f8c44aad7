import { z } from 'zod';
import { parseDigest } from '../oci/digest.ts';
import { jsonOf } from '../oci/json.ts';
import { type Digest, parseRepositoryName, parseTag, type RepositoryName, type Tag } from '../oci/names.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import { RETENTION_EXPIRING } from '../storage/paths.ts';
import { planFor } from './plan.ts';
import type { Looked } from './retain.ts';

/** How long before a tag is deleted clients are warned, in milliseconds. */
export const EXPIRY_NOTICE = 24 * 3_600_000;

/** The most tags that are announced, which bounds the memory. */
export const MAX_EXPIRING = 10_000;

/** A tag that retention will delete within EXPIRY_NOTICE unless it is pushed again. */
export interface ExpiringTag {
  readonly repo: RepositoryName;
  readonly tag: Tag;
  /** The digest the tag had. A tag with another digest has been pushed again. */
  readonly digest: Digest;
}

/** Tags that the rule will no longer keep EXPIRY_NOTICE from now, except those that a pull may still keep. */
export function expiringTags({ repo, rule, state, matches, times: { now } }: Looked): ExpiringTag[] {
  const hasDeadline = rule.keep?.some(({ which }) => which.kind === 'pushed-within') === true;
  if (!hasDeadline) return [];
  const times = { now: now + EXPIRY_NOTICE, pulledAt: () => Number.POSITIVE_INFINITY };
  const removals = planFor(state, { ...rule, deleteUntagged: undefined }, matches, times);
  return removals.flatMap((each) => (each.kind === 'tag' ? [{ repo, tag: each.tag, digest: each.digest }] : []));
}

function named<T extends string>(parse: (text: string) => T | undefined): z.ZodType<T> {
  return z.custom<T>((value) => typeof value === 'string' && parse(value) !== undefined);
}

const schema = z.array(
  z.object({ repo: named(parseRepositoryName), tag: named(parseTag), digest: named(parseDigest) }),
);

/** Stores the tags, so that every node can warn about them. No decision depends on them. */
export async function saveExpiring(driver: Pick<ObjectStore, 'put'>, tags: readonly ExpiringTag[]): Promise<void> {
  await driver.put(RETENTION_EXPIRING, new TextEncoder().encode(`${JSON.stringify(tags.slice(0, MAX_EXPIRING))}\n`));
}

/** @returns an empty list before the first run, and for an unreadable object */
export async function loadExpiring(driver: Pick<StoreReader, 'read'>): Promise<readonly ExpiringTag[]> {
  const bytes = await driver.read(RETENTION_EXPIRING);
  return bytes === undefined ? [] : (schema.safeParse(jsonOf(bytes)).data ?? []);
}

/** The announced tags, for lookups. */
export class ExpiringTags {
  #all: readonly ExpiringTag[] = [];
  #digests = new Map<string, Digest>();

  get all(): readonly ExpiringTag[] {
    return this.#all;
  }

  replace(tags: readonly ExpiringTag[]): void {
    this.#all = tags;
    this.#digests = new Map(tags.map(({ repo, tag, digest }) => [`${repo}:${tag}`, digest]));
  }

  isExpiring(repo: RepositoryName, tag: Tag, digest: Digest): boolean {
    return this.#digests.size > 0 && this.#digests.get(`${repo}:${tag}`) === digest;
  }
}
