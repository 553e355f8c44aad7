import type { Needs } from '../../journal/command.ts';
import type { BlobLink, ManifestRecord, RepositoryFacts } from '../../journal/state.ts';
import type { Digest, Tag } from '../../oci/names.ts';
import type { Reply } from './commands.ts';
import { decodeLink, decodeRecord } from './records.ts';

/** What ask.lua is asked: a kind and a name. */
export type Ask = readonly [kind: 'b' | 'm' | 't' | 'T' | 'o' | 'a' | 'r', name: string];

/** As many tags of a manifest as ask.lua gives at once. */
export const TAGGED_PAGE = 1000;

/** Everything that a group of commands may ask, each thing once. */
export function asksOf(needs: readonly Needs[]): Ask[] {
  const asks = new Map<string, Ask>();
  const add = (kind: Ask[0], names: readonly string[] = []): void => {
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
  readonly #answers = new Map<string, Reply>();

  constructor(exists: boolean, asks: readonly Ask[], answers: readonly Reply[]) {
    this.exists = exists;
    for (const [index, [kind, name]] of asks.entries()) this.#answers.set(`${kind} ${name}`, answers[index] ?? null);
  }

  blob(digest: Digest): BlobLink | undefined {
    const answer = this.#answer('b', digest);
    return typeof answer === 'string' ? decodeLink(answer) : undefined;
  }

  manifest(digest: Digest): ManifestRecord | undefined {
    const answer = this.#answer('m', digest);
    return typeof answer === 'string' ? decodeRecord(answer) : undefined;
  }

  tag(tag: Tag): Digest | undefined {
    const answer = this.#answer('t', tag);
    return typeof answer === 'string' ? (answer as Digest) : undefined;
  }

  tagsOf(digest: Digest): readonly Tag[] {
    const answer = this.#answer('o', digest);
    return Array.isArray(answer) ? (answer as Tag[]) : [];
  }

  references(digest: Digest): number {
    return Number(this.#answer('r', digest));
  }

  #answer(kind: Ask[0], name: string): Reply {
    const answer = this.#answers.get(`${kind} ${name}`);
    if (answer === undefined)
      throw new Error(`a decision asks for ${kind} ${name}, which its command does not declare`);
    return answer;
  }
}
