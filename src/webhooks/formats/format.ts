import type { Change, ChangeType } from '../../feed/change.ts';

/** How receivers reach the registry, and how they tell it from others. */
export interface RegistryAddress {
  /** Without a trailing slash: `https://registry.example`. */
  readonly url: string;
  /** Host and port: the first part of an image's full name. */
  readonly host: string;
  /** ULID of the store. */
  readonly store: string;
}

/** What the body of a delivery looks like. */
export interface Format {
  readonly contentType: string;
  /** The types of changes that it has a form for. */
  readonly events: readonly ChangeType[];
  /** Those of a webhook whose `events` are not set. */
  readonly defaultEvents: readonly ChangeType[];
  /** Changes of one delivery, at most. */
  readonly maxChanges: number;
  /** @param changes of the types above, at least one; a `tag.set` has the media type and the size of its manifest, if they are known */
  readonly render: (changes: readonly Change[], registry: RegistryAddress) => string;
}

/** The name of an image with its host, as clients write it. */
export function imageName(
  { repository, tag, digest }: Pick<Change, 'repository' | 'tag' | 'digest'>,
  { host }: Pick<RegistryAddress, 'host'>,
): string {
  const name = `${host}/${repository}`;
  if (tag !== undefined) return `${name}:${tag}`;
  return digest === undefined ? name : `${name}@${digest}`;
}
