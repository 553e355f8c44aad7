import { parseDigest } from '../oci/digest.ts';
import { parseRepositoryName, parseTag, type RepositoryName } from '../oci/names.ts';
import type { Reference } from '../registry/interface.ts';
import { formatMoment, type Moment, parseMoment } from './moment.ts';

export interface ManifestAddress {
  readonly repo: RepositoryName;
  readonly reference: Reference;
  /** The moment at which the repository is meant; absent: now. */
  readonly at?: Moment | undefined;
}

/** What can be compared: a manifest, or a whole repository at a moment. */
export type Comparable =
  | { readonly kind: 'manifest'; readonly address: ManifestAddress }
  | {
      readonly kind: 'repository';
      readonly repo: RepositoryName;
      /** undefined: now. */
      readonly at: Moment | undefined;
    };

/** The forms of a manifest that parseComparable accepts, for messages. */
export const ADDRESS_FORMS = 'team/app:v1 or team/app@sha256:…, or one of these with @ and a moment';

/**
 * `team/app:v1`, `team/app@sha256:…`: a manifest as it is now. `team/app:v1@12`, `team/app:v1@2026-11-28T10:15:00Z`: as it was. The
 * whole repository: `team/app`, `team/app@12`. Pure.
 * @returns undefined for anything else
 */
export function parseComparable(text: string): Comparable | undefined {
  const mark = text.search(/[:@]/);
  const repo = parseRepositoryName(mark < 0 ? text : text.slice(0, mark));
  if (repo === undefined) return undefined;
  if (mark < 0) return { kind: 'repository', repo, at: undefined };
  const rest = text.slice(mark + 1);
  const end = rest.indexOf('@');
  const name = end < 0 ? rest : rest.slice(0, end);
  const reference = text[mark] === ':' ? tagOf(name) : digestOf(name);
  if (reference === undefined) {
    const moment = text[mark] === '@' ? parseMoment(rest) : undefined;
    return moment === undefined ? undefined : { kind: 'repository', repo, at: moment };
  }
  if (end < 0) return { kind: 'manifest', address: { repo, reference } };
  const at = parseMoment(rest.slice(end + 1));
  return at === undefined ? undefined : { kind: 'manifest', address: { repo, reference, at } };
}

/** The inverse of parseComparable. */
export function formatComparable(comparable: Comparable): string {
  switch (comparable.kind) {
    case 'manifest':
      return formatAddress(comparable.address);
    case 'repository':
      return comparable.repo + suffixOf(comparable.at);
  }
}

/** The same at a moment, unless it names one itself. Pure. */
export function comparableAt(comparable: Comparable, at: Moment): Comparable {
  switch (comparable.kind) {
    case 'manifest':
      return { kind: 'manifest', address: { at, ...comparable.address } };
    case 'repository':
      return { ...comparable, at: comparable.at ?? at };
  }
}

export function repositoryOf(comparable: Comparable): RepositoryName {
  return comparable.kind === 'manifest' ? comparable.address.repo : comparable.repo;
}

export function parseAddress(text: string): ManifestAddress | undefined {
  const found = parseComparable(text);
  return found?.kind === 'manifest' ? found.address : undefined;
}

export function formatAddress({ repo, reference, at }: ManifestAddress): string {
  const name = reference.kind === 'tag' ? `:${reference.tag}` : `@${reference.digest}`;
  return repo + name + suffixOf(at);
}

function suffixOf(at: Moment | undefined): string {
  return at === undefined ? '' : `@${formatMoment(at)}`;
}

function tagOf(text: string): Reference | undefined {
  const tag = parseTag(text);
  return tag === undefined ? undefined : { kind: 'tag', tag };
}

function digestOf(text: string): Reference | undefined {
  const digest = parseDigest(text);
  return digest === undefined ? undefined : { kind: 'digest', digest };
}
