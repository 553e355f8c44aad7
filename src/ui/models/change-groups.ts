import type { ChangeType } from '../../feed/change.ts';

/** What the page of changes can show: few words instead of the types of the log. */
export const CHANGE_GROUPS = ['tags', 'manifests', 'all'] as const;
export type ChangeGroup = (typeof CHANGE_GROUPS)[number];

export const GROUP_NAMES: Readonly<Record<ChangeGroup, string>> = {
  tags: 'Tags',
  manifests: 'Manifests',
  all: 'Everything',
};

/** undefined: all types. */
export function typesOf(group: ChangeGroup): ReadonlySet<ChangeType> | undefined {
  switch (group) {
    case 'tags':
      return new Set(['tag.set', 'tag.deleted', 'repo.deleted']);
    case 'manifests':
      return new Set(['manifest.put', 'manifest.deleted', 'repo.deleted']);
    case 'all':
      return undefined;
  }
}
