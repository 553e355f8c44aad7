import semver from 'semver';

/** How the tags of a repository are listed: newest first, by name, or the highest version first. */
export const TAG_ORDERS = ['time', 'name', 'semver'] as const;
export type TagOrder = (typeof TAG_ORDERS)[number];

export interface Ordered {
  readonly tag: string;
  /** When it was last set, in milliseconds. */
  readonly set: number;
}

/** A copy in that order. Every order is total, so that pages neither skip nor repeat a tag. Pure. */
export function orderTags<T extends Ordered>(tags: readonly T[], order: TagOrder): T[] {
  switch (order) {
    case 'time':
      return [...tags].sort((one, other) => other.set - one.set || byName(one, other));
    case 'name':
      return [...tags].sort(byName);
    case 'semver':
      return byVersion(tags);
  }
}

function byName(one: Ordered, other: Ordered): number {
  return one.tag < other.tag ? -1 : one.tag > other.tag ? 1 : 0;
}

/** Tags that are no versions follow by name. `_` stands for the `+` of build metadata, as Helm writes it. */
function byVersion<T extends Ordered>(tags: readonly T[]): T[] {
  const versions: { readonly each: T; readonly version: semver.SemVer }[] = [];
  const others: T[] = [];
  for (const each of tags) {
    const version = semver.parse(each.tag.replaceAll('_', '+'), { loose: true }) ?? partial(each.tag);
    if (version === null) others.push(each);
    else versions.push({ each, version });
  }
  versions.sort((one, other) => semver.compareBuild(other.version, one.version, true) || byName(one.each, other.each));
  return [...versions.map(({ each }) => each), ...others.sort(byName)];
}

const PARTIAL = /^v?(\d{1,15})(?:\.(\d{1,15}))?(?=$|-)(-.+)?$/;

/** `1`, `v1.2` and `1.2-alpine`, which are no versions by the letter. */
function partial(tag: string): semver.SemVer | null {
  const [whole, major, minor = '0', suffix = ''] = PARTIAL.exec(tag) ?? [];
  return whole === undefined ? null : semver.parse(`${major}.${minor}.0${suffix}`, { loose: true });
}
