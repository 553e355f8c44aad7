import { z } from 'zod';
import { parseDigest } from '../oci/digest.ts';
import { compressedJsonOf } from '../oci/json.ts';
import { parseRepositoryName, parseTag } from '../oci/names.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import { RETENTION_OUTLOOK } from '../storage/paths.ts';
import type { Goes, Outlook } from './outlook.ts';

/*
 * An outlook as zstd-compressed JSON. No decision depends on it. Repositories and tags are tuples, and a tag names its repository by its
 * place in the list, because there are thousands of them. Tags of a repository that is not listed are left out.
 */

const VERSION = 1;

function named<T extends string>(parse: (text: string) => T | undefined): z.ZodType<T> {
  return z.custom<T>((value) => typeof value === 'string' && parse(value) !== undefined);
}

const which = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('all') }),
  z.object({ kind: z.literal('newest'), count: z.int() }),
  z.object({ kind: z.literal('pushed-within'), duration: z.number() }),
  z.object({ kind: z.literal('pulled-within'), duration: z.number() }),
]);
const rule = z.object({
  name: z.string(),
  keep: z.array(z.object({ tags: z.array(z.string()), which })).optional(),
  deleteUntagged: z.number().optional(),
});
/** Name, number of its rule, tags, those that go, immutable ones, those that each entry keeps, untagged manifests and their bytes. */
const repository = z.tuple([
  named(parseRepositoryName),
  z.int().min(0),
  ...([z.int(), z.int(), z.int()] as const),
  z.array(z.int()),
  z.int(),
  z.int(),
]);
/** Number of its repository, tag, digest, the entry that keeps it, and when it goes: milliseconds, 0 for now, -1 for a push. */
const tag = z.tuple([z.int().min(0), named(parseTag), named(parseDigest), z.int().min(0), z.number()]);
const schema = z.object({
  v: z.literal(VERSION),
  computedAt: z.number(),
  rules: z.array(rule),
  repositories: z.array(repository),
  tags: z.array(tag),
  omitted: z.int(),
});

const [NOW, PUSH] = [0, -1];

export async function encodeOutlook({ repositories, tags, ...rest }: Outlook): Promise<Uint8Array> {
  const numbers = new Map(repositories.map(({ repo }, number) => [repo, number]));
  const stored: z.infer<typeof schema> = {
    v: VERSION,
    ...rest,
    rules: rest.rules.map(({ name, keep, deleteUntagged }) => ({
      name,
      ...(keep === undefined ? {} : { keep: keep.map((entry) => ({ tags: [...entry.tags], which: entry.which })) }),
      ...(deleteUntagged === undefined ? {} : { deleteUntagged }),
    })),
    repositories: repositories.map(({ repo, rule: number, tags: count, going, immutable, keptBy, untagged }) => [
      repo,
      number,
      count,
      going,
      immutable,
      [...keptBy],
      untagged.count,
      untagged.bytes,
    ]),
    tags: tags.flatMap(({ repo, tag: name, digest, entry, goes }) => {
      const number = numbers.get(repo);
      return number === undefined ? [] : [[number, name, digest, entry, numberOf(goes)]];
    }),
  };
  return await Bun.zstdCompress(JSON.stringify(stored));
}

/** @returns undefined for bytes of another version, or that are damaged */
export async function decodeOutlook(bytes: Uint8Array): Promise<Outlook | undefined> {
  const stored = schema.safeParse(await compressedJsonOf(bytes)).data;
  if (stored === undefined) return undefined;
  const { v: _, repositories, tags, rules, ...rest } = stored;
  const names = repositories.map(([repo]) => repo);
  return {
    ...rest,
    rules: rules.map(({ name, keep, deleteUntagged }) => ({ name, keep, deleteUntagged })),
    repositories: repositories.map(([repo, number, count, going, immutable, keptBy, untagged, size]) => ({
      ...{ repo, rule: number, tags: count, going, immutable, keptBy },
      untagged: { count: untagged, bytes: size },
    })),
    tags: tags.flatMap(([number, name, digest, entry, at]) => {
      const repo = names[number];
      return repo === undefined ? [] : [{ repo, tag: name, digest, entry, goes: goesAt(at) }];
    }),
  };
}

function numberOf(goes: Goes): number {
  if (goes === 'now') return NOW;
  return goes === 'push' ? PUSH : goes.at;
}

function goesAt(number: number): Goes {
  if (number === NOW) return 'now';
  return number === PUSH ? 'push' : { at: number };
}

export async function saveOutlook(driver: Pick<ObjectStore, 'put'>, outlook: Outlook): Promise<void> {
  await driver.put(RETENTION_OUTLOOK, await encodeOutlook(outlook));
}

/** The stored outlook, which is decoded again only if it has changed. */
export class StoredOutlook {
  readonly #driver: Pick<StoreReader, 'read'>;
  #decoded: { readonly bytes: Uint8Array; readonly outlook: Outlook | undefined } | undefined;

  constructor(driver: Pick<StoreReader, 'read'>) {
    this.#driver = driver;
  }

  /** As of the last `refresh`; undefined if nothing was stored that can be read. */
  get outlook(): Outlook | undefined {
    return this.#decoded?.outlook;
  }

  /** @throws errors of the store */
  async refresh(): Promise<void> {
    const bytes = await this.#driver.read(RETENTION_OUTLOOK);
    if (bytes === undefined) this.#decoded = undefined;
    else if (this.#decoded === undefined || Buffer.compare(bytes, this.#decoded.bytes) !== 0)
      this.#decoded = { bytes, outlook: await decodeOutlook(bytes) };
  }
}
