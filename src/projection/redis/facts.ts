import type { Needs } from '../../journal/command.ts';
import type { BlobLink, ManifestRecord, RepositoryFacts } from '../../journal/state.ts';
import { unreachable } from '../../oci/errors.ts';
import type { Digest, Tag } from '../../oci/names.ts';
import type { Reply } from './commands.ts';
import { decodeLink, decodeRecord } from './records.ts';
import { countFrom, digestFrom, listFrom, tagFrom, textFrom } from './replies.ts';

/** A query of ask.lua: its kind and a name. */
export type Query = readonly [kind: 'b' | 'm' | 't' | 'T' | 'o' | 'a' | 'r', name: string];

/** Page size of a manifest's tags in ask.lua. */
export const TAGGED_PAGE = 1000;

/** The queries that a group of commands needs, without duplicates. */
export function queriesOf(needs: readonly Needs[]): Query[] {
  const queries = new Map<string, Query>();
  const add = (kind: Query[0], names: readonly string[] = []): void => {
    for (const name of names) queries.set(`${kind} ${name}`, [kind, name]);
  };
  for (const each of needs) {
    add('b', each.blobs);
    add('m', each.manifests);
    add('t', each.tags);
    add('o', each.tagsOf);
    add('r', each.references);
  }
  return [...queries.values()];
}

/** The facts that commands declared, at one slot. A decision that reads another fact throws: its command did not declare it. */
export class PartialFacts implements RepositoryFacts {
  readonly exists: boolean;
  readonly isAhead = false;
  readonly #blobs = new Map<string, BlobLink | undefined>();
  readonly #manifests = new Map<string, ManifestRecord | undefined>();
  readonly #tags = new Map<string, Digest | undefined>();
  readonly #tagsOf = new Map<string, readonly Tag[]>();
  readonly #references = new Map<string, number>();

  /** @throws MalformedView if a fact is invalid. All are validated, because they become events of the log. */
  constructor(exists: boolean, queries: readonly Query[], answers: readonly Reply[]) {
    this.exists = exists;
    for (const [index, ask] of queries.entries()) this.#take(ask, answers[index] ?? null);
  }

  #take([kind, name]: Query, answer: Reply): void {
    switch (kind) {
      case 'b':
        this.#blobs.set(name, answer === null ? undefined : decodeLink(textFrom(answer)));
        break;
      case 'm':
        this.#manifests.set(name, answer === null ? undefined : decodeRecord(textFrom(answer)));
        break;
      case 't':
        this.#tags.set(name, answer === null ? undefined : digestFrom(answer));
        break;
      case 'o':
        this.#tagsOf.set(name, listFrom(answer).map(tagFrom));
        break;
      case 'r':
        this.#references.set(name, countFrom(answer));
        break;
      case 'T':
      case 'a':
        throw new Error(`no decision queries for ${kind}`);
      default:
        unreachable(kind);
    }
  }

  blob(digest: Digest): BlobLink | undefined {
    return declared(this.#blobs, 'b', digest);
  }

  manifest(digest: Digest): ManifestRecord | undefined {
    return declared(this.#manifests, 'm', digest);
  }

  tag(tag: Tag): Digest | undefined {
    return declared(this.#tags, 't', tag);
  }

  tagsOf(digest: Digest): readonly Tag[] {
    return declared(this.#tagsOf, 'o', digest) ?? [];
  }

  references(digest: Digest): number {
    return declared(this.#references, 'r', digest) ?? 0;
  }
}

function declared<T>(answers: ReadonlyMap<string, T>, kind: Query[0], name: string): T | undefined {
  if (answers.has(name)) return answers.get(name);
  throw new Error(`a decision queries for ${kind} ${name}, which its command does not declare`);
}
