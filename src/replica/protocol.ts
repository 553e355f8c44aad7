import { z } from 'zod';
import { type Incarnation, parseIncarnation, parseRepositoryName, type RepositoryName } from '../oci/names.ts';

/*
 * What a replica asks its source for, below /api/v1/replication. The source serves it, whether it is a primary or a replica itself, and
 * the replica parses it by the same schemas. Slots travel as the text that is stored (canonical JSON), so their bytes arrive unchanged.
 */

/** A source of a higher version is refused. */
export const PROTOCOL_VERSION = 1;

/** The logs of a store that belong to no repository. */
export const STORE_LOGS = ['notes', 'robots'] as const;
export type StoreLog = (typeof STORE_LOGS)[number];

/** Limits of one answer. */
export const MAX_LOGS = 64;
export const MAX_SLOTS = 1_000;
export const MAX_OBJECTS = 128;
/** An answer with slots or bytes ends after about this many of them. A single slot may be larger. */
export const MAX_BYTES = 4 * 1024 * 1024;
/** Larger objects are requested one by one. */
export const MAX_SMALL_BYTES = 64 * 1024;
/** How long a request for slots that do not exist yet may wait. */
export const MAX_WAIT_MS = 30_000;

/** A text that a function of the domain parses. The OpenAPI document describes it as a text. */
function text<T>(parse: (value: string) => T | undefined, forms: string) {
  return z.string().transform((value, context): T => {
    const found = parse(value);
    if (found !== undefined) return found;
    context.addIssue({ code: 'custom', message: `${forms} is expected` });
    return z.NEVER;
  });
}

const repository = text(parseRepositoryName, 'the name of a repository');
const incarnation = text(parseIncarnation, 'a ULID');
const slot = z.string().describe('The bytes of one slot, which are UTF-8.');

export const identityAnswer = z.strictObject({
  version: z.int().positive().describe('Of this protocol.'),
  store: incarnation.describe('ULID of the history, the same for a primary and its replicas.'),
  secrets: incarnation.describe("ULID that the hashes of robots' secrets are bound to."),
  lineage: z
    .array(incarnation)
    .min(1)
    .describe('ULID of this store, then of the store that it is a replica of, and so on up to the primary.'),
});

export const slotsAnswer = z.strictObject({
  logs: z.array(
    z.strictObject({
      repository,
      slots: z.array(slot).describe('From the requested one on, without gaps.'),
      more: z.boolean().describe('Whether more may follow.'),
    }),
  ),
});

export const storeLogAnswer = z.strictObject({
  slots: z.array(slot),
  more: z.boolean().describe('Whether more may follow at once.'),
});

export const repositoriesAnswer = z.strictObject({
  repositories: z.array(repository).describe('All that have a log, also deleted ones, ordered by name with + for /.'),
  more: z.boolean(),
});

export const objectsAnswer = z.strictObject({
  objects: z
    .array(
      z.strictObject({
        incarnation,
        size: z.int().nonnegative(),
        bytes: z.base64().optional().describe('Absent if they must be requested alone.'),
      }),
    )
    .describe('Those that exist.'),
});

export const collectionsAnswer = z.strictObject({
  epochs: z.array(incarnation).describe('Rounds that have decided what to delete, in order.'),
  more: z.boolean(),
});

export const collectionAnswer = z.strictObject({
  objects: z.array(incarnation).describe('What this round deletes, in order.'),
});

export type IdentityAnswer = Immutable<z.output<typeof identityAnswer>>;
export type SlotsAnswer = Immutable<z.output<typeof slotsAnswer>>;
export type StoreLogAnswer = Immutable<z.output<typeof storeLogAnswer>>;
export type RepositoriesAnswer = Immutable<z.output<typeof repositoriesAnswer>>;
export type ObjectsAnswer = Immutable<z.output<typeof objectsAnswer>>;
export type CollectionsAnswer = Immutable<z.output<typeof collectionsAnswer>>;
export type CollectionAnswer = Immutable<z.output<typeof collectionAnswer>>;

type Immutable<T> = T extends string
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Immutable<Item>[]
    : T extends object
      ? { readonly [Key in keyof T]: Immutable<T[Key]> }
      : T;

/** The header of requests by which a replica introduces itself. Only what administrators of the source see depends on it. */
export const REPLICA_HEADER = 'Marina-Replica';

export interface Introduction {
  /** ULID of the replica's objects. */
  readonly id: Incarnation;
  /** The last note that it has; 0: none. */
  readonly note: number;
  /** Of the process that copies. */
  readonly name: string;
}

export function formatIntroduction({ id, note, name }: Introduction): string {
  return `${id} ${note} ${encodeURIComponent(name.toWellFormed())}`;
}

const MAX_INTRODUCTION = 2_048;

/** @returns undefined for malformed text */
export function parseIntroduction(text: string): Introduction | undefined {
  if (text.length > MAX_INTRODUCTION) return undefined;
  const [, ulid = '', digits = '', encoded = ''] = /^(\S+) (\d{1,15}) (\S+)$/.exec(text) ?? [];
  const id = parseIncarnation(ulid);
  if (id === undefined) return undefined;
  try {
    return { id, note: Number(digits), name: decodeURIComponent(encoded) };
  } catch {
    return undefined;
  }
}

/** The slots of one log that are wanted. */
export interface WantedSlots {
  readonly repo: RepositoryName;
  /** The last slot that the replica has; 0: none. */
  readonly after: number;
}

export function formatWanted(wanted: readonly WantedSlots[]): string {
  return wanted.map(({ repo, after }) => `${repo}@${after}`).join(',');
}

/** @returns undefined for malformed text, and for more than MAX_LOGS logs */
export function parseWanted(text: string): WantedSlots[] | undefined {
  const parts = text.split(',');
  if (parts.length > MAX_LOGS) return undefined;
  const wanted: WantedSlots[] = [];
  for (const part of parts) {
    const [, name = '', digits = ''] = /^([^@]+)@(\d{1,15})$/.exec(part) ?? [];
    const repo = parseRepositoryName(name);
    if (repo === undefined) return undefined;
    wanted.push({ repo, after: Number(digits) });
  }
  return wanted;
}

/** @returns undefined for malformed text, and for more than MAX_OBJECTS of them */
export function parseIncarnations(text: string): Incarnation[] | undefined {
  const parts = text.split(',');
  const parsed = parts.map(parseIncarnation).filter((each) => each !== undefined);
  return parsed.length === parts.length && parts.length <= MAX_OBJECTS ? parsed : undefined;
}
