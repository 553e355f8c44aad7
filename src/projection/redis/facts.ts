import type { Needs } from '../../journal/command.ts';
import type { BlobLink, ManifestRecord, RepositoryFacts } from '../../journal/state.ts';
import { unreachable } from '../../oci/errors.ts';
import type { Digest, Tag } from '../../oci/names.ts';
import type { Reply } from './commands.ts';
import { decodeLink, decodeRecord } from './records.ts';
import { countFrom, digestFrom, listFrom, tagFrom, textFrom } from './replies.ts';

/** What ask.lua is asked: a kind and a name. */
export type Query = readonly [kind: 'b' | 'm' | 't' | 'T' | 'o' | 'a' | 'r', name: string];

/** As many tags of a manifest as ask.lua gives at once. */
export const TAGGED_PAGE = 1000;

/** Everything that a group of commands may ask, each thing once. */
export function queriesOf(needs: readonly Needs[]): Query[] {
  const asks = new Map<string, Query>();
  const add = (kind: Query[0], names: readonly string[] = []): void => {
    for (const name of names) asks.set(`${kind} ${name}`, [kind, name]);
  };
  for (const each of needs) {
    add('b', each.blobs);
    add('m', each.manifests);
    add('t', each.tags);
    add('o', each.tagsOf);
    add('r', each.references);
  }
  return [...asks.values()];
}

/** What was asked of a repository at one slot, and only that: a decision that asks for more has not declared what it needs. */
export class PartialFacts implements RepositoryFacts {
  readonly exists: boolean;
  readonly isAhead = false;
  readonly #blobs = new Map<string, BlobLink | undefined>();
  readonly #manifests = new Map<string, ManifestRecord | undefined>();
  readonly #tags = new Map<string, Digest | undefined>();
  readonly #tagsOf = new Map<string, readonly Tag[]>();
  readonly #references = new Map<string, number>();

  /** @throws MalformedView: what is decided on becomes events of the log, so all of it is looked at first */
  constructor(exists: boolean, asks: readonly Query[], answers: readonly Reply[]) {
    this.exists = exists;
    for (const [index, ask] of asks.entries()) this.#take(ask, answers[index] ?? null);
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
        throw new Error(`no decision asks for ${kind}`);
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
  throw new Error(`a decision asks for ${kind} ${name}, which its command does not declare`);
}
